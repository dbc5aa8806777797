"""Custom layers of Keras' examples and of common use, written anew, which a file holds by name: those of `described.py`."""

import keras
import numpy as np
from keras import layers, ops


def registered(cls):
    """Registers a class, whose settings are what `__init__` was given."""
    original = cls.__init__

    def init(self, *args, **kwargs):
        names = original.__code__.co_varnames[1 : original.__code__.co_argcount]
        own = dict(zip(names, args)) | {k: v for k, v in kwargs.items() if k in names}
        original(self, *args, **kwargs)
        self.own_config = own

    if original is not layers.Layer.__init__:
        cls.__init__ = init
        cls.get_config = lambda self: super(cls, self).get_config() | self.own_config
    return keras.saving.register_keras_serializable("Custom")(cls)


@registered
class TransformerBlock(layers.Layer):
    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.att = layers.MultiHeadAttention(num_heads, embed_dim)
        self.ffn = keras.Sequential([layers.Dense(ff_dim, activation="relu"), layers.Dense(embed_dim)])
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1, self.dropout2 = layers.Dropout(rate), layers.Dropout(rate)

    def call(self, inputs, training=None):
        attended = self.dropout1(self.att(inputs, inputs), training=training)
        out = self.layernorm1(inputs + attended)
        return self.layernorm2(out + self.dropout2(self.ffn(out), training=training))


@registered
class MaskedBlock(layers.Layer):
    """A transformer block that normalizes first, keeps its mask, and has a list of layers."""

    def __init__(self, features, heads, inner, causal=False, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.causal = causal
        self.norms = [layers.LayerNormalization(), layers.LayerNormalization()]
        self.att = layers.MultiHeadAttention(heads, features // heads, dropout=0.1)
        self.up, self.down = layers.Dense(inner, activation="gelu"), layers.Dense(features)

    def call(self, x):
        h = self.norms[0](x)
        x = x + self.att(h, h, use_causal_mask=self.causal)
        return x + self.down(self.up(self.norms[1](x)))


@registered
class TokenAndPositionEmbedding(layers.Layer):
    def __init__(self, maxlen, vocab_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.token_emb = layers.Embedding(vocab_size, embed_dim, mask_zero=True)
        self.pos_emb = layers.Embedding(maxlen, embed_dim)

    def call(self, x):
        positions = ops.arange(0, ops.shape(x)[-1], 1)
        return self.token_emb(x) + self.pos_emb(positions)

    def compute_mask(self, x, mask=None):
        return self.token_emb.compute_mask(x)


@registered
class PositionalEncoding(layers.Layer):
    """Sines and cosines by NumPy, in two halves, added to the steps."""

    def __init__(self, position, d_model, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        rates = 1 / 10000 ** (2 * np.arange(d_model // 2)[None] / d_model)
        angles = np.arange(position)[:, None] * rates
        self.pos_encoding = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)[None].astype("float32")

    def call(self, inputs):
        return inputs + self.pos_encoding[:, : inputs.shape[1]]


@registered
class AttentionLayer(layers.Layer):
    """Attention of free weights over the steps, as in many notebooks; it has a mask."""

    def build(self, shape):
        self.W = self.add_weight(name="att_weight", shape=(shape[-1], 1))
        self.b = self.add_weight(name="att_bias", shape=(1,), initializer="zeros")
        super().build(shape)

    def call(self, x, mask=None):
        score = ops.squeeze(ops.tanh(ops.matmul(x, self.W) + self.b), axis=-1)
        if mask is not None:
            score = ops.where(mask, score, -1e9)
        return ops.sum(x * ops.expand_dims(ops.softmax(score), -1), axis=1)

    def compute_mask(self, x, mask=None):
        return None


@registered
class PlainAttention(layers.Layer):
    """The same without a mask, with a bias for each step; Keras drops the mask with a warning."""

    def build(self, shape):
        self.W = self.add_weight(name="att_weight", shape=(shape[-1], 1))
        self.b = self.add_weight(name="att_bias", shape=(shape[1], 1), initializer="zeros")

    def call(self, x):
        weights = ops.softmax(ops.tanh(ops.dot(x, self.W) + self.b), axis=1)
        return ops.sum(x * weights, axis=1)


@registered
class Bahdanau(layers.Layer):
    """Additive attention of one query over steps, which gives the weights too."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.W1, self.W2, self.V = layers.Dense(units), layers.Dense(units), layers.Dense(1)

    def call(self, query, values, values_mask=None):
        score = self.V(ops.tanh(self.W1(ops.expand_dims(query, 1)) + self.W2(values)))
        if values_mask is not None:
            score = ops.where(values_mask[:, :, None], score, -1e9)
        weights = ops.softmax(score, axis=1)
        return ops.sum(weights * values, axis=1), ops.squeeze(weights, -1)


@registered
class Encoder(layers.Layer):
    """Blocks inside another custom layer."""

    def __init__(self, features, heads, inner, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.one, self.two = MaskedBlock(features, heads, inner), MaskedBlock(features, heads, inner)
        self.scale = self.add_weight(name="scale", shape=(features,), initializer="ones")

    def call(self, x):
        return self.two(self.one(x)) * self.scale


@registered
class Shift(layers.Layer):
    """Drops the first step, of the mask too."""

    def call(self, x):
        return x[:, 1:]

    def compute_mask(self, x, mask=None):
        return None if mask is None else mask[:, 1:]
