"""Sums of products: the layers and operations that multiply two tensors along axes."""

import numpy as np
from keras import Input, Model, layers, ops

from .layers import FEATURES, IDS, STEPS, embed, ids_input, masked_case, numbers, unmasked_case, x_input
from .record import Case

WIDE = 6


def einsum_dense(x):
    dense = layers.EinsumDense
    long = ops.stack([x, x * x], axis=2)
    return [
        dense("abc,cd->abd", output_shape=(None, 2), bias_axes="d", activation="tanh")(x),
        dense("abc,cde->abde", output_shape=(None, 2, 5), bias_axes="de")(x),
        dense("abc,cde->abde", output_shape=(None, 2, 5), bias_axes="d")(x),
        dense("abc,bd->adc", output_shape=(5, FEATURES), bias_axes="d")(x),
        dense("abc,bcd->ad", output_shape=2, activation="softmax")(x),
        dense("...x,xy->...y", output_shape=5, bias_axes="y")(long),
        dense("ab...,bc->ac...", output_shape=5, bias_axes="c")(long),
        dense("abcd,cde->abe", output_shape=(None, 2))(long),
    ]


def dots():
    x, y, z = x_input(), Input((FEATURES, WIDE), name="y"), Input((FEATURES,), name="z")
    outputs = [
        layers.Dot(axes=(2, 1))([x, y]),
        layers.Dot(axes=(-1, -2), normalize=True)([x, y]),
        layers.Dot(axes=-1)([x, x]),
        layers.Dot(axes=(2, 1))([x, z]),
        layers.Dot(axes=(1, -1))([z, x]),
        layers.Dot(axes=1, normalize=True)([z, z]),
        layers.Dot(axes=1)([layers.Reshape((FEATURES, 2, 3))(y), y]),
    ]
    return Model([x, y, z], outputs), {
        "x": numbers(len(IDS), STEPS, FEATURES),
        "y": numbers(len(IDS), FEATURES, WIDE, seed=1),
        "z": numbers(len(IDS), FEATURES, seed=2),
    }


def dot_masked(x):
    """No mask comes out, and nobody says so."""
    return [layers.Dot(axes=2)([x, x]), layers.Dot(axes=(1, 1), normalize=True)([x, x])]


def products():
    """The batch is fixed: some of these operations do not know a batch from any other axis."""
    x = Input(batch_shape=(2, 4, 3), name="x")
    y = Input(batch_shape=(2, 3, 5), name="y")
    ids = Input(batch_shape=(2, 3), dtype="int32", name="ids")
    outputs = [
        ops.matmul(x, y),
        ops.matmul(x, y[0]),
        ops.matmul(x[:, None], ops.stack([y, y], axis=1)),
        ops.matmul(x[0, 0], y),
        ops.matmul(x, y[0, :, 0]),
        ops.matmul(ids, ops.transpose(ids)),
        ops.dot(x, y),
        ops.dot(x, y[0, :, 1]),
        ops.inner(x, ops.transpose(y, (0, 2, 1))),
        ops.outer(x[0], y[1, 0]),
        ops.vdot(x[:, :3], y[:, :, :3]),
        ops.tensordot(x, y, axes=[[0, 2], [0, 1]]),
        ops.tensordot(x, y[0], axes=1),
        ops.tensordot(x[0, 0], y[0, 0], axes=0),
        ops.einsum("btf,bfs->bts", x, y),
        ops.einsum("...tf,...fs->...st", x, y),
        ops.einsum("btf,bfs,bf->bs", x, y, ops.cast(ids, "float32")),
        ops.einsum("btf->fb", x),
        ops.einsum("btf,bfs", x, y),
    ]
    data = {"x": numbers(2, 4, 3), "y": numbers(2, 3, 5, seed=1), "ids": np.array([[1, -2, 3], [0, 5, 7]], "int32")}
    return Model([x, y, ids], outputs), data


def cases():
    model, data = dots()
    yield Case("dot", "Dot: every form of axes, with and without normalizing", model, data)
    model, data = products()
    yield Case("products", "products of keras.ops", model, data)
    yield masked_case("dot-masked", "Dot of masked tensors", dot_masked)
    yield unmasked_case("einsum-dense", "EinsumDense: equations, biases, activations", einsum_dense)
    ids = ids_input()
    lost = layers.EinsumDense("abc,cd->abd", output_shape=(None, 2), bias_axes="d")(embed(ids))
    yield Case("einsum-dense-masked", "EinsumDense loses a mask", Model(ids, lost), {"ids": IDS})
