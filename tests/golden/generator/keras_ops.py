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


def clean_folds(x):
    """Folds that pass over what is not a number; one row has nothing else."""
    y = ops.sqrt(x)
    return [
        ops.nanargmax(y, 1),
        ops.nanargmin(y, 2, True),
        ops.nanargmax(x),
        ops.nancumprod(y, 1),
        ops.nancumsum(y, 1),
        ops.nancumsum(y),
        ops.nanmax(y, 1),
        ops.nanmin(y, 2, True),
        ops.nanmean(y, (1, 2)),
        ops.nanmedian(y, 2),
        ops.nanpercentile(y, 30, axis=1),
        ops.nanquantile(y, 0.3, axis=1, keepdims=True),
        ops.nanprod(y, 1),
        ops.nanstd(y, 1),
        ops.nansum(y, (1, 2)),
        ops.nanvar(y, 1),
    ]


def more_folds(x):
    """Means with weights, counts, norms, extremes with a bound."""
    return [
        ops.average(x, 1),
        ops.average(x),
        ops.average(x, 1, weights=x + 5.0),
        ops.average(x, 2, weights=np.array([1.0, 2.0, 4.0], "float32")),
        ops.count_nonzero(ops.relu(x), 1),
        ops.ptp(x, 1),
        ops.ptp(x, (1, 2), True),
        *ops.moments(x, 1),
        *ops.moments(x, (0, 1), True),
        ops.max(x, 1, initial=0.5),
        ops.min(x, 1, initial=-0.5),
        ops.max(x > 0, 1),
        ops.min(x > 0, 1),
        ops.norm(x, ord=1, axis=1),
        ops.norm(x, ord=3, axis=-1),
        ops.norm(ops.relu(x), ord=0, axis=-1),
        ops.norm(x, ord="fro", axis=(1, 2)),
        ops.norm(x, ord=1, axis=(1, 2)),
        ops.norm(x, ord=1, axis=(2, 1), keepdims=True),
        ops.normalize(x, axis=1, order=1),
        ops.normalize(x, axis=1, order=3),
        ops.cumsum(x, 1, dtype="float64"),
    ]


def quantiles(x):
    """What lies between sorted elements, and places among them."""
    return [
        ops.median(x, (1, 2)),
        ops.median(x),
        ops.percentile(x, 30, axis=1),
        ops.percentile(x, [30, 50.0], axis=1),
        ops.quantile(x, 0.3, axis=1),
        ops.quantile(x, [0.1, 0.5], axis=1, keepdims=True),
        ops.quantile(x, 0.3, axis=1, method="lower"),
        ops.quantile(x, 0.3, axis=1, method="higher"),
        ops.quantile(x, 0.5, axis=1, method="nearest"),
        ops.quantile(x, 0.3, axis=1, method="midpoint"),
        ops.quantile(x, 0.3),
        ops.quantile(ops.sqrt(x), 0.3, axis=(1, 2)),
        *ops.top_k(x, 2),
        *ops.top_k(ops.round(x), 3),
        ops.digitize(x, np.array([-0.5, 0.1, 0.7])),
        ops.searchsorted(ops.sort(x[0, 0]), x[0, 1], side="right"),
        ops.select([x > 0.5, x > -0.5], [x, x * 2], 7.0),
        ops.isin(ops.round(x), [0.0, 1.0]),
    ]


def order_of_numbers(i, ids):
    return [
        *ops.top_k(i, 2),
        ops.isin(i, [1, 2, 7]),
        ops.isin(i, ids, invert=True),
        ops.median(i, 1),
        ops.count_nonzero(i),
        *ops.unravel_index(ids, (3, 4)),
        *ops.unravel_index(ids[:, 1], (3, 4)),
        ops.multi_hot(ids, 6),
        ops.diff(i, 2, axis=1),
        ops.diff(i > 2, axis=1),
        ops.trace(ops.reshape(i, (-1, 2, 2)), 0, 1, 2),
        ops.digitize(i, np.array([-0.5, 2.0, 7.0])),
    ]


def targets(i, ids):
    """Segments and classes by number, of whole numbers."""
    return [
        ops.segment_sum(i, ids[:, 0], 6),
        ops.segment_max(i, ids[:, 0], 6),
        ops.segment_min(i, ids[:, 0], 6),
        ops.segment_prod(i, ids[:, 0], 6),
        ops.in_top_k(ops.minimum(ids[:, 0], 3), ops.cast(i, "float32"), 2),
        ops.take(i, ops.minimum(ids, 3) - 1, axis=1),
        ops.scatter(ids[:, :, None], i, (8,)),
        ops.take_along_axis(i, ops.argsort(i, 1), 1),
        ops.take_along_axis(i, ops.minimum(ids[:, :1], 3) - 4, 1),
        ops.sparse_categorical_crossentropy(
            ops.minimum(ids[:, 0], 3), ops.softmax(ops.cast(i, "float32"))
        ),
        ops.sparse_categorical_crossentropy(
            ops.minimum(ids[:, :1], 3), ops.cast(i, "float32"), from_logits=True
        ),
    ]


def stacks(x):
    """Side by side, apart, turned round."""
    row, other = x[0, 0], x[0, 1]
    return [
        ops.append(x, x, 1),
        ops.append(x, x[:, :1]),
        ops.hstack([x, x]),
        ops.vstack([x, x]),
        ops.vstack([row, other]),
        ops.dstack([x, x]),
        ops.dstack([row, other]),
        *ops.array_split(x, 3, 1),
        *ops.hsplit(x, 2),
        *ops.dsplit(x, [1, 2]),
        ops.fliplr(x),
        ops.flipud(x),
        ops.rot90(x),
        ops.rot90(x, 3, (1, 2)),
        ops.rot90(x[:, :3], -2, (1, 2)),
        *ops.meshgrid(row, x[0, :, 1]),
        *ops.meshgrid(row, x[0, :, 1], other, indexing="ij"),
        ops.diff(x, axis=1),
        ops.trapezoid(x),
        ops.trapezoid(x, dx=0.5, axis=1),
    ]


def diagonals(x):
    row = x[0, 0]
    return [
        ops.diag(row),
        ops.diag(row, 2),
        ops.diag(row, -1),
        ops.diag(x[0]),
        ops.diag(x[0], -2),
        ops.diagflat(x[0], 1),
        ops.diagonal(x, 0, 1, 2),
        ops.diagonal(x, 1, 1, 2),
        ops.diagonal(x, -2, 1, 2),
        ops.diagonal(x, 0, 2, 1),
        ops.trace(x, 1, 1, 2),
        ops.trace(x, -1, 1, 2),
        ops.vander(row),
        ops.vander(row, 4, True),
        ops.linspace(x, x + 1.0, 4),
        ops.linspace(x, x + 1.0, 4, endpoint=False, axis=1),
        ops.logspace(x, 1.0, 3),
        ops.logspace(x, x + 1.0, 3, base=2, axis=-1),
        ops.geomspace(ops.abs(x) + 1.0, ops.abs(x) + 7.0, 4),
        ops.full((2, 3), x[0, 0, 0]),
        ops.size(x),
        ops.empty_like(x),
    ]


def windows(x):
    """Windows and single elements by their place."""
    start = ops.cast(ops.round(ops.abs(x[0, 0]) * 0.4), "int32")
    return [
        ops.slice(x, (0, 1, 0), (2, 2, 3)),
        ops.slice(x, start, (2, 2, 1)),
        ops.slice_update(x, (0, 1, 0), ops.slice(x, (1, 0, 0), (2, 2, 3))),
        ops.slice_update(x, start, ops.slice(x, (1, 0, 0), (2, 2, 1)) + 9.0),
        ops.slice_update(x, start + 9, ops.slice(x, (1, 0, 0), (2, 2, 1)) + 9.0),
        ops.scatter(np.array([[1], [3], [1]]), x[0, 0], (5,)),
        ops.scatter(np.array([[1, 0], [3, 2]]), ops.slice(x, (0, 0, 0), (1, 2, 3))[0], (5, 3, 3)),
        ops.scatter_update(x, [[0, 1, 2], [3, 1, 1]], ops.slice(x[0, 0], (0,), (2,))),
        ops.scatter_update(x, [[0], [2]], ops.slice(x, (1, 0, 0), (2, 4, 3)), reduction="add"),
        ops.scatter_update(x, [[0, 1], [2, 3]], ops.slice(x[1], (0, 0), (2, 3)), reduction="max"),
        ops.scatter_update(x, [[0, 1], [2, 3]], ops.slice(x[1], (0, 0), (2, 3)), reduction="min"),
        ops.scatter_update(x, [[0, 1], [0, 1]], ops.slice(x[1], (0, 0), (2, 3)), reduction="mul"),
        ops.take(x, np.array([[1, 2], [0, -1]]), axis=2),
        ops.take_along_axis(x, ops.argsort(x, 1), 1),
        ops.extract_sequences(x[:, :, 0], 2, 1),
        ops.extract_sequences(x, 2, 2),
        ops.cdist(x, x[:, :2]),
    ]


def losses(x):
    p, q = ops.sigmoid(x), ops.softmax(x)
    return [
        ops.binary_crossentropy(p, ops.sigmoid(x[:, ::-1])),
        ops.binary_crossentropy(p, x[:, ::-1], from_logits=True),
        ops.categorical_crossentropy(q, ops.softmax(x[:, ::-1])),
        ops.categorical_crossentropy(q, x[:, ::-1], from_logits=True),
        ops.categorical_crossentropy(ops.softmax(x, 1), p * 0.5, axis=1),
        ops.psnr(p, ops.sigmoid(-x), 1.0),
        ops.psnr(p, ops.sigmoid(-x), 255.0),
        ops.batch_normalization(x, x[0, 0], ops.abs(x[0, 1]), -1),
        ops.batch_normalization(
            x, x[0, :, 0], ops.abs(x[0, :, 1]), 1, offset=x[0, :, 2], scale=x[1, :, 2], epsilon=0.1
        ),
        ops.layer_normalization(x),
        ops.layer_normalization(x, x[0, 0], x[0, 1], epsilon=1e-3),
        ops.layer_normalization(x, axis=1),
        ops.layer_normalization(x, axis=[1, 2], gamma=x[0], beta=x[1]),
        ops.layer_normalization(x, gamma=x[0, 0], rms_scaling=True),
        ops.rms_normalization(x),
        ops.rms_normalization(x, x[0, 0], -1, 1e-3),
        ops.rms_normalization(x, axis=(1, 2)),
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


def lists_of_axes(x):
    """What takes one integer takes a list of them too: axes, and numbers that go with axes or positions."""
    wide = ops.expand_dims(x, [1, 3])
    return [
        wide,
        ops.expand_dims(x, (-1,)),
        ops.expand_dims(x, [-1, 0, 2]),
        ops.squeeze(wide, axis=[3, 1]),
        ops.flip(x, axis=[1, -1]),
        ops.roll(x, [1, -2], axis=[2, 1]),
        ops.roll(x, [1], axis=(0,)),
        ops.repeat(x, [2], axis=1),
        ops.repeat(x, [2, 0, 1, 3], axis=1),
        ops.norm(x, axis=[1, 2]),
        ops.normalize(x, axis=[1, 2]),
        ops.quantile(x, 0.5, axis=[1, 2]),
        ops.count_nonzero(x, axis=[1, -1]),
        ops.moveaxis(x, [1, 2], [2, 1]),
        ops.categorical_crossentropy(x, ops.abs(x) + 0.1, axis=[1, 2]),
        ops.categorical_crossentropy(x, ops.abs(x) + 0.1, axis=(-1,)),
    ]


def cases():
    return [
        unmasked_case("waves", "functions of angles", waves),
        unmasked_case("powers", "logarithms, powers, special functions", powers),
        unmasked_case("roundings", "rounding, signs and tests", roundings),
        unmasked_case("bends", "functions with an edge; arrays in a model's description", bends),
        integer_case("whole-numbers", "arithmetic of integers", whole_numbers),
        unmasked_case("clean-folds", "folds that pass over what is not a number", clean_folds),
        unmasked_case("more-folds", "means, counts, norms", more_folds),
        unmasked_case("quantiles", "what lies between sorted elements", quantiles),
        integer_case("order-of-numbers", "order and place of whole numbers", order_of_numbers),
        integer_case("targets", "segments and classes by number", targets),
        unmasked_case("stacks", "side by side, apart, turned round", stacks),
        unmasked_case("diagonals", "diagonals, and rows of numbers between two ends", diagonals),
        unmasked_case("windows", "windows and single elements by their place", windows),
        unmasked_case("losses", "losses and normalization as operations", losses),
        unmasked_case("lists-of-axes", "lists where one integer would do", lists_of_axes),
        Case("same-object", "operations that give back what they are given", same_object(), {"ids": IDS}),
    ]
