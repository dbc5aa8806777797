"""From a live model to a file that was read back and compared."""

import os
import tempfile
import warnings

import keras
from keras import tree
from keras.src import backend

from .errors import ExportError, describe
from .trace import Tracing
from .verify import compare, require_plain_config
from .weights import plain_arguments

DESTROYS = "was passed an input with a mask attached to it"
FALSELY = tuple(f"(of type {name})" for name in ("Functional", "Sequential"))


def export(model, path, inputs=None, samples=None, overwrite=False, verify=True):
    """Writes a model with custom layers as a `.keras` file of Keras' own layers and operations.

    Args:
        model: a built Keras model: Functional, Sequential, or a subclass of `keras.Model`.
        path: where to write; ends in `.keras`.
        inputs: `keras.Input`s (one, a list, a dict, or a tuple for a `call` with several arguments), for a subclassed
            model, which does not know its own.
        samples: a batch of arrays in the structure of `inputs` to compare both models on, beside the random ones; needed
            where random numbers are no valid input.
        overwrite: replace a file that exists.
        verify: read the file back and compare the outputs; a difference is an error.

    Raises:
        ExportError: for what cannot be traced, and for a file that does not give the model's numbers.
        FileExistsError: if `path` exists and `overwrite` is false.
    """
    path = os.fspath(path)
    if not path.endswith(".keras"):
        raise ExportError(f"`{path}` does not end in `.keras`", "choose another path")
    if os.path.exists(path) and not overwrite:
        raise FileExistsError(f"{path}: exists; pass `overwrite=True` to replace it")
    fresh, given = fresh_inputs(model, inputs)
    handle, temporary = tempfile.mkstemp(suffix=".keras", dir=os.path.dirname(os.path.abspath(path)))
    os.close(handle)
    try:
        tables = write(model, fresh, temporary)
        if verify:
            compare(model, temporary, fresh, given, tables, samples)
        os.chmod(temporary, 0o666 & ~current_umask())
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def fresh_inputs(model, inputs):
    """Returns new input tensors in the structure that the model is called with, and whether they were given."""
    if inputs is None:
        source = model._functional if isinstance(model, keras.Sequential) else model
        inputs = getattr(source, "_inputs_struct", None)
    if inputs is None:
        raise ExportError(
            "the model does not know its inputs",
            "pass `inputs=`, for example `inputs=keras.Input((20,), dtype='int32', name='ids')`",
            describe(model),
        )

    def fresh(x):
        return keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name)

    return tree.map_structure(fresh, inputs), isinstance(inputs, tuple)


def write(model, inputs, path):
    """Traces the model and writes the file; returns the sizes of its tables of free weights."""
    with Tracing() as tracing:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            outputs = call(model, inputs)
        for warning in caught:
            if not (DESTROYS in str(warning.message) and any(kind in str(warning.message) for kind in FALSELY)):
                warnings.warn(warning.message, warning.category, stacklevel=3)
        for x in tree.flatten(outputs):
            if not backend.is_keras_tensor(x):
                raise ExportError("an output does not depend on the inputs", layer=describe(model))
        flat = list(inputs) if isinstance(inputs, tuple) else inputs
        plain = keras.Model(flat, outputs, name=model.name)
        tracing.names.apply(plain.operations)
        for nodes in plain._nodes_by_depth.values():
            for node in nodes:
                plain_arguments(node)
        require_plain_config(plain, tracing.places)
        plain.save(path)
        return [layer.input_dim for layer in plain.layers if isinstance(layer, keras.layers.Embedding)]


def call(model, inputs):
    """Calls a model as `predict` does."""
    training = {"training": False} if model._call_has_training_arg else {}
    return model(*inputs, **training) if isinstance(inputs, tuple) else model(inputs, **training)
