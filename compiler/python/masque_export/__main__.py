"""The command line: `python -m masque_export model.keras -o plain.keras --objects my_layers.py`.

It imports the module of the user's layers, that is, runs its code.
"""

import argparse
import importlib.util
import inspect
import sys

import keras

from . import ExportError, export


def load_module(path):
    """Imports a Python file as a module of its own name."""
    spec = importlib.util.spec_from_file_location(path.rsplit("/", 1)[-1].removesuffix(".py"), path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def loadable(cls):
    """Lets Keras make layers again whose `__init__` takes no `**kwargs`, as in many examples.

    Keras hands over `name`, `trainable` and `dtype` even so, and fails. Only `dtype` matters, and float32 is the default.
    """
    taken = inspect.signature(cls.__init__).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        return
    make = cls.from_config

    def from_config(config):
        plain = keras.dtype_policies.get(config.get("dtype")).name == "float32"
        added = {"name", "trainable"} | ({"dtype"} if plain else set())
        return make({key: value for key, value in config.items() if key in taken or key not in added})

    cls.from_config = from_config


def parse_input(text):
    """Returns the `keras.Input` that `NAME:SIZE,SIZE:DTYPE` describes; `None` is a size that is not fixed."""
    name, sizes, dtype = text.split(":")
    shape = tuple(None if size == "None" else int(size) for size in sizes.split(",") if size)
    return keras.Input(shape, dtype=dtype, name=name)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="masque_export", description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a .keras file with custom layers")
    parser.add_argument("-o", "--output", required=True, help="the plain .keras file to write")
    parser.add_argument("--objects", action="append", default=[], metavar="FILE.py", help="a file with the custom classes; its code runs")
    parser.add_argument("--input", action="append", default=[], metavar="NAME:SHAPE:DTYPE", help="an input of a subclassed model, without the batch: ids:20:int32, x:None,8:float32")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    parser.add_argument("--no-verify", action="store_true", help="do not read the file back and compare")
    parser.add_argument("--unsafe", action="store_true", help="also load Python lambdas that the model's file holds")
    options = parser.parse_args(arguments)
    try:
        classes = {}
        for path in options.objects:
            classes |= {name: value for name, value in vars(load_module(path)).items() if inspect.isclass(value) or inspect.isfunction(value)}
        for value in classes.values():
            if inspect.isclass(value) and issubclass(value, keras.layers.Layer) and not value.__module__.startswith("keras."):
                loadable(value)
        inputs = [parse_input(text) for text in options.input] or None
        model = keras.saving.load_model(options.model, custom_objects=classes, compile=False, safe_mode=not options.unsafe)
        inputs = inputs[0] if inputs and len(inputs) == 1 else inputs
        export(model, options.output, inputs, overwrite=options.overwrite, verify=not options.no_verify)
    except (ExportError, OSError, ValueError, TypeError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
