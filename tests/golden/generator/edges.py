"""Data at the edges: no steps at all, one step, nothing but padding, one sentence, no sentence.

Every set of layers is asked the same at each edge at which Keras answers. It refuses recurrent layers over no steps,
the largest of no steps, and an LSTM over no sentences; masque's own tests say what becomes of those.
"""

import numpy as np
from keras import Input, Model, layers, ops

from .layers import FEATURES, UNITS, embed, numbers
from .record import Case

EDGES = {
    "no-steps": np.zeros((2, 0), "int32"),
    "one-step": np.array([[4], [0]], "int32"),
    "all-padding": np.zeros((2, 3), "int32"),
    "one-row": np.array([[3, 0, 5]], "int32"),
    "no-rows": np.zeros((0, 3), "int32"),
}


def mha(**options):
    return layers.MultiHeadAttention(2, UNITS, bias_initializer="glorot_uniform", **options)


def gqa(**options):
    return layers.GroupQueryAttention(UNITS, 4, 2, bias_initializer="glorot_uniform", **options)


def rows(x):
    """Layers that take each step by itself, and means."""
    return [
        layers.Dense(UNITS, activation="softmax")(x),
        layers.BatchNormalization()(x),
        layers.LayerNormalization()(x),
        layers.UnitNormalization()(x),
        layers.GroupNormalization(3)(x),
        layers.PReLU(shared_axes=[1])(x),
        layers.Add()([x, x]),
        layers.Concatenate(axis=1)([x, x]),
        layers.GlobalAveragePooling1D()(x),
        layers.GlobalAveragePooling1D()(layers.Dense(UNITS)(x)),
        layers.Dot(axes=1)([x, x]),
        layers.Dot(axes=2)([x, x]),
    ]


def attention(x):
    fresh = layers.Activation("tanh")
    return [
        layers.Attention()([x, x]),
        layers.Attention(score_mode="concat", use_scale=True)([x, x], use_causal_mask=True),
        layers.AdditiveAttention()([x, x]),
        mha()(fresh(x), fresh(x)),
        mha()(fresh(x), fresh(x), use_causal_mask=True),
        mha(dropout=0.1)(fresh(x), fresh(x)),
        *gqa()(fresh(x), fresh(x), return_attention_scores=True),
    ]


def recurrent(x):
    stack = layers.RNN([layers.GRUCell(UNITS), layers.SimpleRNNCell(FEATURES)], return_sequences=True)
    return [
        *layers.GRU(UNITS, return_sequences=True, return_state=True)(x),
        layers.GRU(UNITS, reset_after=False, go_backwards=True, zero_output_for_mask=True)(x),
        layers.SimpleRNN(UNITS, return_sequences=True)(x),
        layers.Bidirectional(layers.GRU(UNITS, return_sequences=True))(x),
        layers.TimeDistributed(layers.Dense(UNITS))(x),
        stack(x),
    ]


def long_memory(x):
    return [
        *layers.LSTM(UNITS, return_sequences=True, return_state=True)(x),
        layers.LSTM(UNITS, zero_output_for_mask=True, go_backwards=True)(x),
        layers.Bidirectional(layers.LSTM(UNITS), merge_mode="sum")(x),
    ]


def windows(x):
    """Layers that look around, and have no use for a mask."""
    return [
        layers.Conv1D(UNITS, 3, padding="same")(x),
        layers.Conv1D(UNITS, 3, padding="same", strides=2)(x),
        layers.Conv1D(UNITS, 1)(x),
        layers.SeparableConv1D(UNITS, 3, padding="same")(x),
        layers.DepthwiseConv1D(3, padding="same")(x),
        layers.Conv1DTranspose(UNITS, 3, strides=2, padding="same")(x),
        layers.Conv1DTranspose(UNITS, 3, strides=2)(x),
        layers.AveragePooling1D(2, padding="same")(x),
        layers.AveragePooling1D(2)(x),
        layers.MaxPooling1D(2, padding="same")(x),
        layers.MaxPooling1D(2)(x),
        layers.ZeroPadding1D(2)(x),
        layers.UpSampling1D(2)(x),
        layers.Permute((2, 1))(x),
    ]


def refused_over_nothing(x):
    return [
        layers.Conv1D(UNITS, 3, padding="causal", dilation_rate=2)(x),
        layers.GlobalMaxPooling1D()(x),
        layers.AdaptiveAveragePooling1D(2)(x),
        layers.Flatten()(x[:, -1:]),
        ops.max(ops.abs(x), axis=2),
    ]


def reductions(x):
    return [
        ops.mean(x, axis=1),
        ops.sum(x, axis=1),
        ops.softmax(x, axis=1),
        ops.cumsum(x, axis=1),
        ops.flip(x, axis=1),
        ops.concatenate([x, x], axis=1),
    ]


MASKED = {"rows": rows, "attention": attention, "recurrent": recurrent, "lstm": long_memory}
UNMASKED = {"windows": windows, "last": refused_over_nothing, "reductions": reductions}
REFUSED = {"no-steps": {"recurrent", "lstm", "last"}, "no-rows": {"lstm", "last"}}


def cases():
    for edge, ids in EDGES.items():
        for name, build in (MASKED | UNMASKED).items():
            if name in REFUSED.get(edge, ()) or (edge == "all-padding" and name in UNMASKED):
                continue
            if name in MASKED:
                x = Input((None,), dtype="int32", name="x")
                outputs, data = build(embed(x)), ids
            else:
                x = Input((None, FEATURES), name="x")
                outputs, data = build(x), numbers(*ids.shape, FEATURES)
            title = f"{name.replace('-', ' ')}: {edge.replace('-', ' ')}"
            yield Case(f"{name}-{edge}", title, Model(x, outputs), {"x": data}, weights_of=name)
