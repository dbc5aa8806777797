"""`keras.ops` at large: every operation that a model can hold as a node, many to a model.

A function makes the outputs of one model. The cases with a mask hold the operations that give back the very tensor
they were given: they alone keep its mask.
"""

import numpy as np
from keras import Input, Model, layers, ops

from .layers import IDS, X, embed, ids_input, unmasked_case, x_input
from .record import Case

INTEGERS = np.array([[3, -5, 2, 0], [1, 7, -2, 9], [4, 4, 1, -8], [0, 2, 6, 5], [12, 3, -1, 1]], "int32")


def integer_case(name, title, build):
    """A case whose outputs `build` makes out of whole numbers `i` and token numbers `ids`."""
    i, ids = Input((4,), dtype="int32", name="i"), ids_input()
    return Case(name, title, Model([i, ids], build(i, ids)), {"i": INTEGERS, "ids": IDS})


def waves(x):
    """Functions of angles, and those that give angles."""
    t = ops.tanh(x)
    return [
        ops.arccos(t),
        ops.arccosh(ops.exp(ops.abs(x))),
        ops.arcsin(t),
        ops.arcsinh(x),
        ops.arctan(x),
        ops.arctan2(x, x[:, ::-1]),
        ops.arctan2(x, -0.5),
        ops.arctanh(t),
        ops.cosh(x),
        ops.sinh(x),
        ops.tan(x),
        ops.deg2rad(x),
        ops.rad2deg(x),
        ops.sinc(x),
        ops.angle(x),
    ]


def powers(x):
    """Logarithms, powers and the special functions."""
    positive = ops.abs(x)
    return [
        ops.cbrt(x),
        ops.exp2(x),
        ops.expm1(x),
        ops.log10(positive),
        ops.log1p(positive),
        ops.log2(positive),
        ops.logaddexp(x, x[:, ::-1]),
        ops.logaddexp2(x, 0.5),
        ops.hypot(x, x[:, ::-1]),
        ops.ldexp(x, np.array([1, 3, -2])),
        ops.erfc(x),
        ops.erfinv(ops.tanh(x)),
        ops.i0(x),
        ops.i0(x * 5.0),
    ]


def roundings(x):
    """Rounding, signs, tests, and numbers that are none."""
    log = ops.log(ops.relu(x)) * ops.sign(x)
    return [
        ops.round(x),
        ops.round(ops.round(x * 4.0) / 2.0),
        ops.round(x, 1),
        ops.trunc(x * 3.0),
        ops.signbit(x),
        ops.fabs(x),
        ops.fmod(x, 0.3),
        ops.fmax(log, x),
        ops.fmin(log, 0.1),
        ops.divide_no_nan(x, ops.relu(x)),
        ops.heaviside(ops.relu(x), x),
        ops.isclose(x, x + 1e-6),
        ops.isinf(log),
        ops.isneginf(log),
        ops.isposinf(log),
        ops.isreal(x),
        ops.nan_to_num(log),
        ops.nan_to_num(log, nan=1.0, posinf=2.0, neginf=-3.0),
        ops.imag(x),
        ops.saturate_cast(x * 1e3, "int32"),
        ops.allclose(x, x),
    ]


def bends(x):
    """Functions of `keras.ops.nn` with an edge."""
    return [
        ops.hard_shrink(x),
        ops.soft_shrink(x, 0.2),
        ops.sparse_plus(x),
        ops.sparse_sigmoid(x),
        ops.sparsemax(x),
        ops.sparsemax(x, 1),
        ops.squareplus(x, 2),
        ops.threshold(x, 0.1, -2.0),
        ops.softmax(x, None),
        ops.glu(ops.concatenate([x, x[:, ::-1]], -1)),
        x + np.array([1.0, 2.0, 3.0], "float32"),
        x * np.arange(3),
        ops.maximum(x, np.array([0.1, 0.2, 0.0], "float32")),
    ]


def whole_numbers(i, ids):
    """Arithmetic of integers, bits included."""
    return [
        ops.bitwise_and(i, ids),
        ops.bitwise_invert(i),
        ops.bitwise_not(i),
        ops.bitwise_or(i, ids),
        ops.bitwise_xor(i, i[:, ::-1]),
        ops.bitwise_left_shift(ids, 2),
        ops.bitwise_right_shift(i, 1),
        ops.left_shift(i, ids),
        ops.right_shift(i, ids),
        ops.gcd(i, i[:, ::-1]),
        ops.lcm(i, ids),
        ops.fmod(i, 3),
        ops.mod(i, -3),
        ops.floor_divide(i, 3),
        ops.heaviside(i, ids),
        ops.arctan(i),
        ops.exp2(i),
        ops.fabs(i),
        ops.signbit(i),
        ops.isinf(i),
        ops.relu(i),
        ops.round(i, -1),
        ops.absolute(i > 0),
    ]


def same_object():
    """Operations that give back what they are given, each before a layer that looks at the mask."""
    ids = ids_input()
    x = embed(ids)
    seen = [
        ops.conj(x),
        ops.conjugate(x),
        ops.real(x),
        ops.convert_to_tensor(x, "float32"),
        ops.copy(x),
        ops.stop_gradient(x),
        ops.view(x),
        ops.nan_to_num(x),
        ops.trunc(x),
    ]
    return Model(ids, [layers.GlobalAveragePooling1D()(tensor) for tensor in seen])


def cases():
    return [
        unmasked_case("waves", "functions of angles", waves),
        unmasked_case("powers", "logarithms, powers, special functions", powers),
        unmasked_case("roundings", "rounding, signs and tests", roundings),
        unmasked_case("bends", "functions with an edge; arrays in a model's description", bends),
        integer_case("whole-numbers", "arithmetic of integers", whole_numbers),
        Case("same-object", "operations that give back what they are given", same_object(), {"ids": IDS}),
    ]
