"""What calls are passed beside the tensors of a model, and operations that are given kernels, masks and spectra."""

import numpy as np
from keras import Input, Model, layers, ops

from .layers import IDS, embed, ids_input, numbers
from .record import Case

ROWS = 2


def batch(*shape, name="x", dtype="float32"):
    """An input whose batch is fixed: some constants have a row for each example."""
    return Input(batch_shape=(ROWS, *shape), name=name, dtype=dtype)


def in_lists(x):
    """Arrays among the tensors of a list."""
    row = np.linspace(-1, 1, 6, dtype="float32")
    return [
        ops.concatenate([numbers(ROWS, 1, 6), x], axis=1),
        ops.concatenate([x, np.ones((ROWS, 2, 6), "float32"), x], axis=1),
        ops.stack([x, numbers(ROWS, 4, 6, seed=1)], axis=2),
        ops.hstack([x[0], np.ones((4, 2), "float32")]),
        ops.vstack([np.zeros((1, 6), "float32"), x[0]]),
        ops.dstack([x, numbers(ROWS, 4, 6, seed=2)]),
        ops.select([x > 0.5, x < -0.5], [row, -row], x),
        ops.select([x > 0.5, np.arange(6) % 2 == 0], [x, row], 0.0),
        ops.append(x, numbers(ROWS, 1, 6, seed=3), axis=1),
        ops.concatenate([x, np.ones((ROWS, 1, 6))], axis=1),
    ]


def alone(x):
    """Arrays in the place of a tensor."""
    matrix = numbers(6, 3, seed=4)
    return [
        ops.matmul(x, matrix),
        ops.matmul(numbers(2, 4, seed=5), x),
        ops.einsum("btf,fg->btg", x, matrix),
        ops.tensordot(x, matrix, axes=1),
        ops.dot(x, matrix),
        ops.inner(x, numbers(2, 6, seed=6)),
        ops.where(np.arange(6) > 2, x, numbers(6, seed=7)),
        ops.where(x > 0, np.ones((4, 6), "float32"), x),
        ops.take(x, np.array([[0, 3], [2, 2]]), axis=1),
        ops.take(matrix, ops.cast(x > 0, "int32"), axis=0),
        ops.take_along_axis(x, np.zeros((ROWS, 1, 6), "int32"), axis=1),
        ops.add(x, np.arange(6)),
        ops.add(x, np.arange(6.0)),
        ops.logaddexp(x, np.ones(6, "float32")),
        ops.clip(x, -0.5, 0.5) * np.array(2.0, "float32"),
        ops.maximum(np.zeros((1, 6), "float16"), x),
    ]


def in_layers():
    x, state = batch(4, 6), batch(3, name="state")
    mask = np.array([[True, True, False, True], [True, True, True, False]])
    heads = layers.MultiHeadAttention(2, 3)
    outputs = [
        layers.Add()([x, numbers(ROWS, 1, 6)]),
        layers.Concatenate(axis=1)([x, numbers(ROWS, 1, 6, seed=1), x]),
        layers.Multiply()([x, np.full((ROWS, 4, 6), 0.5)]),
        layers.Dot(axes=2)([x, numbers(ROWS, 3, 6, seed=3)]),
        layers.GRU(3)(x, initial_state=numbers(ROWS, 3, seed=4)),
        layers.LSTM(3)(x, initial_state=[state, numbers(ROWS, 3, seed=5)]),
        layers.LSTM(3, return_sequences=True)(x, mask=mask),
        layers.Attention()([x, x], mask=[None, mask]),
        layers.Attention()([x, numbers(ROWS, 4, 6, seed=6)], mask=[mask, None]),
        heads(x, x, attention_mask=np.tril(np.ones((4, 4), bool))),
        layers.Softmax()(x, mask=mask[:, :, None]),
    ]
    return Model([x, state], outputs), {"x": numbers(ROWS, 4, 6, seed=7), "state": numbers(ROWS, 3, seed=8)}


def nested():
    """A model inside, called with a mask on the second of its inputs alone."""
    a, b = Input((4, 6), name="a"), Input((4, 6), name="b")
    inner = Model([a, b], [layers.LSTM(3)(a), layers.LSTM(2)(b)], name="inner")
    x, y, mask = batch(4, 6), batch(4, 6, name="y"), batch(4, name="mask", dtype="bool")
    seen = np.array([[True, True, False, False], [True, True, True, True]])
    data = {"x": numbers(ROWS, 4, 6, seed=1), "y": numbers(ROWS, 4, 6, seed=2), "mask": seen}
    return Model([x, y, mask], inner([x, y], mask=[None, mask])), data


def attention():
    """`dot_product_attention`: heads in groups, biases, masks that leave a position nothing to see."""
    query, key = Input((3, 4, 2), name="query"), Input((5, 4, 2), name="key")
    few, mask = Input((5, 2, 2), name="few"), Input((1, 3, 5), name="mask", dtype="bool")
    attend = ops.dot_product_attention
    outputs = [
        attend(query, key, key),
        attend(query, key, key, is_causal=True),
        attend(query, key, key, mask=mask),
        attend(query, key, key, mask=mask, is_causal=True, scale=0.3),
        attend(query, few, few, bias=np.linspace(-1, 1, 5, dtype="float32")),
        attend(query, query[:, :, ::-1], query, mask=np.tril(np.ones((1, 1, 3, 3), bool))),
    ]
    seen = np.random.default_rng(3).random((2, 1, 3, 5)) > 0.4
    seen[1, 0, 2] = False
    data = {
        "query": numbers(2, 3, 4, 2),
        "key": numbers(2, 5, 4, 2, seed=1),
        "few": numbers(2, 5, 2, 2, seed=2),
        "mask": seen,
    }
    return Model([query, key, few, mask], outputs), data


def convolutions():
    line, plane, kernel = Input((7, 4), name="line"), Input((6, 5, 3), name="plane"), batch(3, 4, 2, name="kernel")
    outputs = [
        ops.conv(line, numbers(3, 4, 2)),
        ops.conv(line, numbers(2, 4, 6), strides=2, padding="same"),
        ops.conv(line, numbers(2, 4, 2), dilation_rate=2),
        ops.conv(line, kernel[0]),
        ops.conv(plane, numbers(2, 3, 3, 4), strides=(2, 1), padding="same"),
        ops.depthwise_conv(line, numbers(3, 4, 2), padding="same"),
        ops.depthwise_conv(plane, numbers(2, 2, 3, 2), strides=2),
        ops.separable_conv(line, numbers(3, 4, 2), numbers(1, 8, 5)),
        ops.separable_conv(plane, numbers(2, 2, 3, 1), numbers(1, 1, 3, 4), padding="same"),
        ops.max_pool(line, 2),
        ops.max_pool(plane, (2, 3), strides=1, padding="same"),
        ops.average_pool(line, 3, strides=2, padding="same"),
        ops.average_pool(plane, 2, padding="valid"),
    ]
    data = {"line": numbers(2, 7, 4, seed=1), "plane": numbers(2, 6, 5, 3, seed=2), "kernel": numbers(2, 3, 4, 2, seed=3)}
    return Model([line, plane, kernel], outputs), data


def spectra():
    x, y = Input((6, 8), name="x"), Input((6, 8), name="y")
    signal = Input((2, 40), name="signal")
    settings = {"sequence_length": 8, "sequence_stride": 4, "fft_length": 10}
    outputs = [
        *ops.fft((x, y)),
        *ops.fft2((x, y)),
        *ops.ifft2((x, y)),
        *ops.rfft(x),
        *ops.rfft(x, fft_length=5),
        *ops.rfft(x, fft_length=11),
        ops.irfft((x, y)),
        ops.irfft((x, y), fft_length=9),
        ops.irfft((x, y), fft_length=17),
        *ops.stft(signal, **settings),
        *ops.stft(signal, **settings, window="hamming", center=False),
        *ops.stft(signal, 8, 3, 8, window=None),
        ops.istft(ops.stft(signal, **settings), **settings),
        ops.istft(ops.stft(signal, **settings), **settings, length=30),
        ops.istft(ops.stft(signal, 8, 4, 8, window="hamming"), 8, 4, 8, window="hamming", center=False),
        ops.istft(ops.stft(signal, 8, 4, 8, window=None), 8, 4, 8, window=None),
    ]
    data = {"x": numbers(2, 6, 8), "y": numbers(2, 6, 8, seed=1), "signal": numbers(2, 2, 40, seed=2)}
    return Model([x, y, signal], outputs), data


def more_products(x):
    y = x[:, ::-1]
    return [
        ops.kron(x[0], y[0]),
        ops.kron(x[0], np.eye(2, dtype="float32")),
        ops.cross(x[..., :3], y[..., 3:]),
        ops.cross(x[..., :2], y[..., 3:]),
        ops.cross(x[..., :2], y[..., 4:]),
        ops.cross(x[:, :3], y[:, 1:], axis=1),
        ops.cross(x[:, :3], y[..., :3, :], axisa=1, axisb=1, axisc=0),
        ops.cross(x[..., :3], np.array([1.0, -2.0, 0.5], "float32")),
    ]


def of_one(x):
    """Operations of one tensor that no other case calls."""
    return [
        ops.amax(x, axis=1),
        ops.amin(x, axis=(1, 2)),
        ops.broadcast_to(x[:, :1], (ROWS, 3, 6)),
        ops.ceil(x * 2.0),
        ops.celu(x),
        ops.conj(x),
        ops.cos(x),
        ops.hard_silu(x * 3.0),
        ops.hard_tanh(x),
        ops.isnan(x / ops.relu(x)),
        ops.ravel(x),
        ops.reciprocal(x),
        ops.relu6(x * 5.0),
        ops.softsign(x),
        ops.tanh_shrink(x),
        *ops.vsplit(x, 2),
    ]


def linear(x):
    """Matrices that want a row exchanged, and some that have no inverse."""
    square = ops.concatenate([x[:, ::-1, :3] * 2.0, x[:, :, 3:4]], axis=-1)
    positive = ops.matmul(square, ops.transpose(square, (0, 2, 1))) + np.eye(4, dtype="float32")
    singular = np.array([[[0.0, 1.0], [0.0, 2.0]], [[0.0, 1.0], [-2.0, 0.5]]], "float32")
    return [
        ops.det(square),
        ops.det(x[:, :1, :1] * 0.0 + singular),
        ops.inv(square),
        ops.solve(square, x),
        ops.solve(square, x[:, :, 0]),
        ops.cholesky(positive),
        ops.cholesky(positive, upper=True),
    ]


def of_batch(name, title, build):
    x = batch(4, 6)
    return Case(name, title, Model(x, build(x)), {"x": numbers(ROWS, 4, 6)})


def made(name, title, parts):
    model, data = parts
    return Case(name, title, model, data)


def masked():
    """A mask that is passed by hand, and an array for a tensor with a mask beside it."""
    ids = ids_input()
    x = embed(ids)
    outputs = [
        layers.Add()([x, numbers(len(IDS), 1, x.shape[-1])]),
        layers.Concatenate()([x, numbers(len(IDS), x.shape[1], 2)]),
    ]
    return Case("constants-beside-masks", "arrays beside tensors with masks", Model(ids, outputs), {"ids": IDS})


def cases():
    yield of_batch("constants-in-lists", "arrays in lists of operands", in_lists)
    yield of_batch("constants-alone", "arrays as operands", alone)
    yield made("constants-in-layers", "arrays as data, states and masks of layers", in_layers())
    yield made("mask-of-one-input", "a mask for the second input of a model inside", nested())
    yield masked()
    yield made("attention", "dot_product_attention", attention())
    yield made("convolutions", "convolutions and pools as operations", convolutions())
    yield made("spectra", "Fourier transforms", spectra())
    yield of_batch("more-products", "kron and cross", more_products)
    yield of_batch("of-one-operand", "operations of one tensor", of_one)
    yield of_batch("linear-algebra", "determinants, inverses, equations", linear)
