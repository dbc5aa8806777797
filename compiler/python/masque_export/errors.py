"""The error of a model that cannot be exported, and the line of the user's code that it is about."""

import os
import sys

import keras

PACKAGES = ("keras", "tensorflow", "jax", "jaxlib", "torch", "numpy", "optree", "ml_dtypes")
OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
KERAS_FOLDER = os.path.dirname(os.path.abspath(keras.__file__)) + os.sep

ADVICE = (
    ("TensorFlow function", "replace the `tf.*` function by the one of `keras.ops`"),
    ("JAX function", "replace the `jax.*` function by the one of `keras.ops`"),
    ("NumPy array", "replace the NumPy function by the one of `keras.ops`"),
    ("cannot be used as a boolean", "replace `if` and `while` over a tensor by `keras.ops.where` or `keras.ops.cond`"),
    ("convert it to", "replace Python numbers made from a tensor by operations of `keras.ops`"),
    ("Iterating over", "loop over `range(x.shape[axis])`, which needs a fixed length, or use an operation on the whole axis"),
    ("NoneType", "take a size that is not fixed from `keras.ops.shape(x)`, not from `x.shape`"),
    ("__array_ufunc__", "replace the NumPy function by the one of `keras.ops`"),
    ("KerasTensor", "use only functions of `keras.ops` on tensors"),
)


class ExportError(Exception):
    """A model or a part of it that has no form as Keras' own layers and operations.

    `layer`: the name and class of the layer; `place`: the file and line inside its `call`; `problem`: what was found;
    `advice`: what to write instead. Each is text, or `None` where it does not apply.
    """

    def __init__(self, problem, advice=None, layer=None, place=None):
        self.problem, self.advice, self.layer, self.place = problem, advice, layer, place
        parts = [f"layer {layer}" if layer else None, place, problem, advice]
        super().__init__(": ".join(part for part in parts if part))


def describe(layer):
    """Returns the name and class of a layer as messages show them."""
    return f"`{layer.name}` ({type(layer).__name__})"


def is_users(filename):
    """Is this a file of the user, not of Keras, a backend or this package?"""
    if filename.startswith((OWN_FOLDER, KERAS_FOLDER, "<frozen")):
        return False
    return not any(f"{os.sep}site-packages{os.sep}{package}{os.sep}" in filename for package in PACKAGES)


def current_place():
    """Returns `file:line` of the innermost frame in the user's code, or `None`."""
    frame = sys._getframe(1)
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return None


def place_of(error):
    """Returns `file:line` of the innermost frame in the user's code that an exception passed through, or `None`."""
    place, traceback = None, error.__traceback__
    while traceback is not None:
        if is_users(traceback.tb_frame.f_code.co_filename):
            place = f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


def explain(layer, error):
    """Returns the `ExportError` for an exception that the `call` of this layer raised."""
    text = " ".join(str(error).split())
    advice = next((advice for sign, advice in ADVICE if sign in text), None)
    short = text if len(text) <= 200 else f"{text[:197]}..."
    return ExportError(f"`call` cannot be traced: {type(error).__name__}: {short}", advice, describe(layer), place_of(error))
