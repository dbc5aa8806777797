"""Weights that a custom layer holds itself, as weights of Keras' layers or as arrays among the arguments."""

import keras
from keras import tree
from keras.src import backend


class Weight:
    """A variable as an operand: its value is read when the file is written, in the dtype that the operation saw."""

    def __init__(self, variable):
        self.variable, self.dtype = variable, backend.standardize_dtype(variable.value.dtype)
        self.shape = variable.shape

    def array(self):
        return backend.convert_to_numpy(backend.cast(self.variable.value, self.dtype))


class Carriers:
    """The layers that carry free weights, one for each weight and use of it.

    `matmul(x, W)`, `dot` and `tensordot` over one axis become `Dense`, `einsum(…, x, W)` becomes `EinsumDense`,
    `take(W, ids, axis=0)` becomes `Embedding`; none has a bias. Any other weight stays an array in the configuration.
    """

    def __init__(self):
        self.layers = {}

    def replace(self, operation, args, kwargs, keeps_mask):
        """Returns the layer, its weight and the tensor that it is called with, in place of this operation, or `None`.

        `keeps_mask`: does the tensor carry a mask in the file? `EinsumDense` cannot take one.
        """
        operands = [*args, *kwargs.values()]
        if len(operands) != 2:
            return None
        kind = type(operation).__name__
        first, second = operands
        if kind == "Take" and operation.axis == 0 and self.is_matrix(first) and is_ids(second):
            return *self.embedding(first), second
        if not self.is_matrix(second, None) or not backend.is_keras_tensor(first) or first.dtype != second.dtype:
            return None
        if kind == "Einsum" and not keeps_mask:
            kept = self.einsum(operation, first, second)
            return kept and (*kept, first)
        if self.is_matrix(second) and len(first.shape) >= 2 and is_product(operation, first):
            return *self.dense(second, first), first
        return None

    @staticmethod
    def is_matrix(operand, rank=2):
        floats = isinstance(operand, Weight) and operand.dtype in ("float32", "float64", "float16", "bfloat16")
        return floats and operand.dtype == operand.variable.dtype and rank in (None, len(operand.shape))

    def kept(self, weight, use, make):
        key = (id(weight.variable), use)
        if key not in self.layers:
            layer = make()
            if layer is None:
                return None
            layer.weights[0].assign(weight.variable.value)
            self.layers[key] = layer, weight.variable
        return self.layers[key]

    def dense(self, weight, x):
        def make():
            layer = keras.layers.Dense(weight.shape[1], use_bias=False, kernel_initializer="zeros", dtype=weight.dtype)
            layer.build(x.shape)
            return layer

        return self.kept(weight, "dense", make)

    def embedding(self, weight):
        def make():
            layer = keras.layers.Embedding(*weight.shape, embeddings_initializer="zeros", dtype=weight.dtype)
            layer.build()
            return layer

        return self.kept(weight, "embedding", make)

    def einsum(self, operation, x, weight):
        equation = operation.subscripts.replace(" ", "")
        output = list(operation.compute_output_spec(x, weight).shape[1:])

        def make():
            layer = keras.layers.EinsumDense(equation, output, kernel_initializer="zeros", dtype=weight.dtype)
            try:
                layer.build(x.shape)
            except Exception:  # EinsumDense knows fewer equations than einsum
                return None
            same = tuple(layer.kernel.shape) == tuple(weight.shape)
            return layer if same and tuple(layer.compute_output_shape(x.shape)[1:]) == tuple(output) else None

        return self.kept(weight, f"einsum {equation} {output}", make)


def is_ids(x):
    return backend.is_keras_tensor(x) and backend.is_int_dtype(x.dtype)


def is_product(operation, x):
    """Does this operation multiply the last axis of `x` by the first one of a matrix?"""
    kind = type(operation).__name__
    if kind != "Tensordot":
        return kind in ("Matmul", "Dot")
    axes = operation.axes
    if axes == 1:
        return True
    if not isinstance(axes, (list, tuple)) or len(axes) != 2:
        return False
    left, right = ([axis] if isinstance(axis, int) else list(axis) for axis in axes)
    return left in ([-1], [len(x.shape) - 1]) and right in ([0], [-2])


def as_plain(value):
    """Returns an operand as a file holds it: weights and tensors are arrays."""
    if isinstance(value, Weight):
        return value.array()
    if isinstance(value, backend.Variable):
        return backend.convert_to_numpy(value.value)
    if backend.is_tensor(value) and not backend.is_keras_tensor(value):
        return backend.convert_to_numpy(value)
    return value


def plain_arguments(node):
    """Makes every weight and tensor among the arguments of a node an array."""
    node.arguments.args = tree.map_structure(as_plain, node.arguments.args)
    node.arguments.kwargs = tree.map_structure(as_plain, node.arguments.kwargs)
