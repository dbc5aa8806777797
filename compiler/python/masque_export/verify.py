"""What is checked of an exported model: that its file needs no code, and that it gives the original's numbers."""

import warnings

import keras
import numpy as np
from keras import tree
from keras.src import backend

from .errors import ExportError, describe

RTOL, ATOL = 1e-4, 1e-5
BATCH, LENGTH, IDS = 3, 7, 10
"""Sizes of random batches: examples, steps of an axis that is not fixed, different whole numbers."""


def foreign(value):
    """Returns the class or function in a serialized configuration that is not one of Keras, or `None`."""
    if isinstance(value, dict):
        module = value.get("module")
        if "class_name" in value and "config" in value:
            if value["class_name"] == "__lambda__":
                return "a Python lambda"
            if value["class_name"] == "function":
                return None if str(module).startswith("keras") else f"the function `{value['config']}`"
            if module is not None and module.split(".")[0] not in ("keras", "builtins"):
                return f"`{module}.{value['class_name']}`"
        return next((found for part in value.values() if (found := foreign(part))), None)
    if isinstance(value, (list, tuple)):
        return next((found for part in value if (found := foreign(part))), None)
    return None


def require_plain_config(model, places):
    """Refuses a traced model whose file would need custom code."""
    for operation in model.operations:
        owner, place = places.get(id(operation), (None, None))
        layer = describe(owner if owner is not None else operation)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = foreign(keras.saving.serialize_keras_object(operation))
        except Exception as error:
            text = " ".join(str(error).split())[:150]
            raise ExportError(f"`{operation.name}` has settings that no file holds: {text}", None, layer, place) from error
        if found:
            raise ExportError(f"`{operation.name}` needs {found}", "write it with `keras.ops` in the `call` of a layer", layer, place)


def random_batch(inputs, highest, length, seed):
    """Returns arrays for these inputs, with more and more padding (zeros) at the end of their second axis."""
    rng = np.random.default_rng(seed)

    def array(x):
        shape = [BATCH if axis == 0 else length if size is None else size for axis, size in enumerate(x.shape)]
        if x.shape[0] is not None:
            shape[0] = x.shape[0]
        if x.dtype == "string":
            raise ExportError(f"input `{x.name}` is text", "pass `samples=`, a batch to compare both models on")
        if x.dtype == "bool":
            return rng.random(shape) > 0.3
        whole = backend.is_int_dtype(x.dtype)
        values = rng.integers(1, max(highest, 2), shape) if whole else rng.normal(size=shape)
        if len(shape) >= 2 and shape[1] > 1:
            for row in range(1, shape[0]):
                values[row, max(1, shape[1] - 2 * row) :] = 0
        return values.astype(x.dtype)

    return tree.map_structure(array, inputs)


def compare(model, path, inputs, several, tables, samples):
    """Raises an error unless the file, read without custom classes, gives the model's outputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = keras.saving.load_model(path, compile=False)
        embeddings = [x.input_dim for x in model._flatten_layers() if isinstance(x, keras.layers.Embedding)]
        highest = min([*tables, *embeddings], default=IDS)
        batches = [] if samples is None else [samples]
        try:
            batches += [random_batch(inputs, highest, length, length) for length in (LENGTH, LENGTH + 2)]
        except ExportError:
            if not batches:
                raise
        for number, batch in enumerate(batches):
            try:
                expected = run(model, batch, several)
            except Exception as error:
                if number == 0 or samples is None:
                    text = " ".join(str(error).split())[:200]
                    advice = "pass `samples=`, a batch to compare both models on, or `verify=False`"
                    raise ExportError(f"the model fails on random inputs: {text}", advice, describe(model)) from error
                continue
            same(expected, run(plain, list(batch) if several else batch, False), model)


def run(model, batch, several):
    training = {"training": False} if model._call_has_training_arg else {}
    batch = tree.map_structure(backend.convert_to_tensor, batch)
    outputs = model(*batch, **training) if several else model(batch, **training)
    return [backend.convert_to_numpy(output) for output in tree.flatten(outputs)]


def same(expected, found, model):
    for number, (a, b) in enumerate(zip(expected, found)):
        if a.shape != b.shape:
            raise ExportError(f"output {number} has the shape {b.shape} in the file, {a.shape} in the model", layer=describe(model))
        close = np.isclose(b.astype("float64"), a.astype("float64"), RTOL, ATOL, equal_nan=True)
        if not close.all():
            place = tuple(int(i) for i in np.argwhere(~close)[0])
            raise ExportError(
                f"output {number} differs at {list(place)}: {b[place]} in the file, {a[place]} in the model",
                "a `call` may draw random numbers, or read values outside of `keras.ops`",
                describe(model),
            )
