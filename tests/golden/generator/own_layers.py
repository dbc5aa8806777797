"""Custom layers as people write them: the originals of the exported models in `own.py`."""

import keras
import numpy as np
from keras import layers, ops


class TokenAndPosition(layers.Layer):
    """Embeddings of tokens and of positions, added; the mask is that of the tokens."""

    def __init__(self, length, vocabulary, features, mask_zero=True, **kwargs):
        super().__init__(**kwargs)
        self.tokens = layers.Embedding(vocabulary, features, mask_zero=mask_zero)
        self.positions = layers.Embedding(length, features)

    def call(self, ids):
        length = ops.shape(ids)[-1]
        return self.tokens(ids) + self.positions(ops.arange(0, length, 1))

    def compute_mask(self, ids, mask=None):
        return self.tokens.compute_mask(ids)


class SinePositions(layers.Layer):
    """A table of sines and cosines made with NumPy, added to the steps."""

    def __init__(self, length, features, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        angles = np.arange(length)[:, None] / 10000 ** (np.arange(features)[None] // 2 * 2 / features)
        self.table = np.where(np.arange(features) % 2 == 0, np.sin(angles), np.cos(angles)).astype("float32")

    def call(self, x):
        return x * 1.5 + self.table[None, : x.shape[1]]


class PostNormBlock(layers.Layer):
    """A transformer block that normalizes after each sum; it knows nothing of masks."""

    def __init__(self, features, heads, inner, **kwargs):
        super().__init__(**kwargs)
        self.att = layers.MultiHeadAttention(heads, features // heads)
        self.ffn = keras.Sequential([layers.Dense(inner, activation="relu"), layers.Dense(features)])
        self.norm_1, self.norm_2 = layers.LayerNormalization(epsilon=1e-6), layers.LayerNormalization(epsilon=1e-6)
        self.drop_1, self.drop_2 = layers.Dropout(0.1), layers.Dropout(0.1)

    def call(self, x, training=None):
        attended = self.drop_1(self.att(x, x), training=training)
        x = self.norm_1(x + attended)
        return self.norm_2(x + self.drop_2(self.ffn(x), training=training))


class PreNormBlock(layers.Layer):
    """A transformer block that normalizes before each part, passes its mask on, and may look back only."""

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


class SplitHeads(layers.Layer):
    """Attention written out: heads by reshaping with the batch's size, scores by `matmul`, an explicit mask."""

    def __init__(self, features, heads, **kwargs):
        super().__init__(**kwargs)
        self.features, self.heads = features, heads
        self.query, self.key, self.value = layers.Dense(features), layers.Dense(features), layers.Dense(features)
        self.combine = layers.Dense(features)

    def separate(self, x, batch):
        x = ops.reshape(x, (batch, -1, self.heads, self.features // self.heads))
        return ops.transpose(x, (0, 2, 1, 3))

    def call(self, x, mask=None):
        batch = ops.shape(x)[0]
        query, key, value = (self.separate(part(x), batch) for part in (self.query, self.key, self.value))
        score = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / ops.sqrt(float(self.features // self.heads))
        if mask is not None:
            score += (1.0 - ops.cast(mask, score.dtype))[:, None, None, :] * -1e9
        attended = ops.transpose(ops.matmul(ops.softmax(score), value), (0, 2, 1, 3))
        return self.combine(ops.reshape(attended, (batch, -1, self.features)))

    def compute_mask(self, x, mask=None):
        return mask


class Bahdanau(layers.Layer):
    """Additive attention of one query over steps, which gives the weights too."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.of_query, self.of_values, self.score = layers.Dense(units), layers.Dense(units), layers.Dense(1)

    def call(self, query, values, values_mask=None):
        score = self.score(ops.tanh(self.of_query(ops.expand_dims(query, 1)) + self.of_values(values)))
        if values_mask is not None:
            score = ops.where(values_mask[:, :, None], score, -1e9)
        weights = ops.softmax(score, axis=1)
        return ops.sum(weights * values, axis=1), ops.squeeze(weights, -1)


class Luong(layers.Layer):
    """Multiplicative attention: a free matrix between query and values."""

    def build(self, query_shape, values_shape):
        self.kernel = self.add_weight(shape=(query_shape[-1], values_shape[-1]), name="kernel")
        self.combine = layers.Dense(query_shape[-1], activation="tanh", use_bias=False)

    def call(self, query, values, values_mask=None):
        score = ops.einsum("bd,btd->bt", ops.matmul(query, self.kernel), values)
        if values_mask is not None:
            score = score - 1e9 * ops.cast(ops.logical_not(values_mask), score.dtype)
        context = ops.einsum("bt,btd->bd", ops.softmax(score), values)
        return self.combine(ops.concatenate([context, query], axis=-1))


class ContextAttention(layers.Layer):
    """The attention of hierarchical networks: a projection compared with a context vector, over the last axis but one."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.bias = self.add_weight(shape=(self.units,), name="bias", initializer="zeros")
        self.context = self.add_weight(shape=(self.units,), name="context")

    def call(self, x, mask=None):
        score = ops.dot(ops.tanh(ops.dot(x, self.kernel) + self.bias), self.context)
        weights = ops.exp(score)
        if mask is not None:
            weights = weights * ops.cast(mask, weights.dtype)
        weights = weights / (ops.sum(weights, axis=-1, keepdims=True) + keras.config.epsilon())
        return ops.sum(x * ops.expand_dims(weights, -1), axis=-2)

    def compute_mask(self, x, mask=None):
        return None if mask is None or len(mask.shape) < 3 else ops.any(mask, axis=-1)


class MaskedMean(layers.Layer):
    """The mean of the steps that are no padding."""

    def call(self, x, mask=None):
        if mask is None:
            return ops.mean(x, axis=1)
        mask = ops.expand_dims(ops.cast(mask, x.dtype), -1)
        return ops.sum(x * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1.0)

    def compute_mask(self, x, mask=None):
        return None


class MaskedMax(layers.Layer):
    """The maximum of the steps that are no padding."""

    supports_masking = True

    def call(self, x, mask=None):
        if mask is not None:
            x = ops.where(ops.expand_dims(mask, -1), x, -1e30)
        return ops.max(x, axis=1)

    def compute_mask(self, x, mask=None):
        return None


class GatedResidual(layers.Layer):
    """The gated residual network of temporal fusion transformers."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.hidden, self.linear = layers.Dense(units, activation="elu"), layers.Dense(units)
        self.gate, self.value = layers.Dense(units, activation="sigmoid"), layers.Dense(units)
        self.skip, self.norm = layers.Dense(units), layers.LayerNormalization()

    def call(self, x):
        h = self.linear(self.hidden(x))
        return self.norm(self.skip(x) + self.gate(h) * self.value(h))


class Highway(layers.Layer):
    """A highway layer of free weights alone; its variables stand on both sides of operators."""

    def build(self, shape):
        size = shape[-1]
        self.carry = self.add_weight(shape=(size, size), name="carry")
        self.carry_bias = self.add_weight(shape=(size,), name="carry_bias", initializer=keras.initializers.Constant(-1.0))
        self.change = self.add_weight(shape=(size, size), name="change")
        self.scale = self.add_weight(shape=(1,), name="scale", initializer="ones")

    def call(self, x):
        gate = ops.sigmoid(self.carry_bias + x @ self.carry)
        return gate * ops.relu(ops.matmul(x, self.change)) + self.scale * (1 - gate) * x


class Shift(layers.Layer):
    """Drops the first step, of the mask too."""

    def call(self, x):
        return x[:, 1:]

    def compute_mask(self, x, mask=None):
        return None if mask is None else mask[:, 1:]


class NotAlike(layers.Layer):
    """Makes a mask: a step is padding if all its features are a certain number."""

    def __init__(self, value, **kwargs):
        super().__init__(**kwargs)
        self.value = value

    def call(self, x):
        return x + 0.25

    def compute_mask(self, x, mask=None):
        return ops.any(ops.not_equal(x, self.value), axis=-1)


class Scale(layers.Layer):
    """A factor for each feature; the mask ends here, as the layer says nothing of masks."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(shape[-1],), name="factor")

    def call(self, x):
        return x * self.factor


class Together(layers.Layer):
    """Layers of Keras after each other, some of which read the mask."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.forth = layers.Bidirectional(layers.GRU(units, return_sequences=True))
        self.back, self.pool = layers.LSTM(units, return_sequences=True), layers.GlobalAveragePooling1D()

    def call(self, x, mask=None):
        y = self.forth(x, mask=mask)
        return ops.concatenate([self.pool(self.back(y), mask=mask), self.pool(y)], axis=-1)


class ClassToken(layers.Layer):
    """A learned step before the others, for every example of the batch, and a mask that begins with it."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")

    def call(self, x):
        token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([token, x], axis=1)

    def compute_mask(self, x, mask=None):
        return None if mask is None else ops.pad(mask, [[0, 0], [1, 0]], constant_values=True)


class Rotary(layers.Layer):
    """Rotary positions: features in pairs, turned by an angle that grows with the position."""

    supports_masking = True

    def call(self, x):
        half = x.shape[-1] // 2
        steps = ops.cast(ops.arange(ops.shape(x)[1]), x.dtype)
        angles = ops.expand_dims(steps, -1) * ops.power(10.0, -ops.arange(half, dtype=x.dtype) / half)
        first, second = ops.split(x, 2, axis=-1)
        sine, cosine = ops.sin(angles), ops.cos(angles)
        return ops.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=-1)


class HeadProjection(layers.Layer):
    """A projection to heads and one back, by `einsum` with free weights; a bias between positions from a table."""

    def __init__(self, heads, size, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.size = heads, size

    def build(self, shape):
        features, length = shape[-1], shape[1]
        self.inward = self.add_weight(shape=(features, self.heads, self.size), name="inward")
        self.outward = self.add_weight(shape=(self.heads, self.size, features), name="outward")
        self.distances = self.add_weight(shape=(2 * length - 1, self.heads), name="distances")

    def call(self, x):
        heads = ops.einsum("btf,fhd->bthd", x, self.inward)
        steps = np.arange(x.shape[1])
        bias = ops.take(self.distances, steps[:, None] - steps[None] + x.shape[1] - 1, axis=0)
        weights = ops.softmax(ops.einsum("bthd,bshd->bhts", heads, heads) + ops.transpose(bias, (2, 0, 1)))
        return ops.einsum("bthd,hdf->btf", ops.einsum("bhts,bshd->bthd", weights, heads), self.outward)


class TiedHead(layers.Layer):
    """A free table read by token number, and read again, transposed, for the logits."""

    def __init__(self, vocabulary, features, **kwargs):
        super().__init__(**kwargs)
        self.table = self.add_weight(shape=(vocabulary, features), name="table")
        self.rnn = layers.GRU(features, return_sequences=True)

    def call(self, ids):
        x = ops.take(self.table, ids, axis=0)
        return ops.matmul(self.rnn(x, mask=ops.not_equal(ids, 0)), ops.transpose(self.table))


class StepByStep(layers.Layer):
    """A recurrent layer with a loop of its own over a fixed length: a minimal gated unit that holds at padding."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.forget, self.candidate = layers.Dense(units, activation="sigmoid"), layers.Dense(units, activation="tanh")

    def call(self, x, mask=None):
        state = ops.zeros((ops.shape(x)[0], self.units))
        for step in range(x.shape[1]):
            forget = self.forget(ops.concatenate([x[:, step], state], axis=-1))
            candidate = self.candidate(ops.concatenate([x[:, step], forget * state], axis=-1))
            following = (1 - forget) * state + forget * candidate
            state = following if mask is None else ops.where(mask[:, step, None], following, state)
        return state


class Viterbi(layers.Layer):
    """The decoding of a CRF: the best path through tags, padding left out."""

    def __init__(self, tags, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.tags = tags
        self.emissions = layers.Dense(tags)

    def build(self, shape):
        self.emissions.build(shape)
        self.transitions = self.add_weight(shape=(self.tags, self.tags), name="transitions")
        self.start = self.add_weight(shape=(self.tags,), name="start")

    def call(self, x, mask=None):
        scores = ops.transpose(self.emissions(x), (1, 0, 2))
        valid = ops.ones_like(scores[:, :, 0], dtype="bool") if mask is None else ops.transpose(mask)

        def forward(best, step):
            score, ok = step
            candidates = ops.expand_dims(best, 2) + self.transitions
            following = ops.where(ok[:, None], ops.max(candidates, axis=1) + score, best)
            stay = ops.broadcast_to(ops.arange(self.tags, dtype=x.dtype), ops.shape(best))
            return following, ops.where(ok[:, None], ops.cast(ops.argmax(candidates, axis=1), x.dtype), stay)

        best, pointers = ops.scan(forward, scores[0] + self.start, (scores[1:], valid[1:]))
        last = ops.cast(ops.argmax(best, axis=-1), "int32")

        def backward(tag, pointer):
            previous = ops.squeeze(ops.take_along_axis(pointer, tag[:, None], axis=1), 1)
            return ops.cast(previous, "int32"), tag

        first, path = ops.scan(backward, last, pointers, reverse=True)
        return ops.transpose(ops.concatenate([first[None], path], axis=0)), ops.max(best, axis=-1)

    def compute_mask(self, x, mask=None):
        return None


class Switch(layers.Layer):
    """A choice by a number of the batch, with `cond`, inside a layer that holds another custom layer twice."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.inner = GatedResidual(units)

    def call(self, x):
        y = self.inner(self.inner(x))
        return ops.cond(ops.sum(y[:, 0]) > 0, lambda: y + 1.0, lambda: y * 2.0)


class Translator(keras.Model):
    """An encoder and a decoder as a subclassed model with two arguments."""

    def __init__(self, vocabulary, features, **kwargs):
        super().__init__(**kwargs)
        self.embed = layers.Embedding(vocabulary, features, mask_zero=True)
        self.encoder = layers.GRU(features, return_sequences=True, return_state=True)
        self.decoder = layers.GRU(features, return_sequences=True)
        self.attention = layers.Attention()
        self.head = layers.Dense(vocabulary, activation="softmax")

    def call(self, source, target, training=None):
        read, state = self.encoder(self.embed(source))
        written = self.decoder(self.embed(target), initial_state=state)
        context = self.attention([written, read])
        return {"words": self.head(ops.concatenate([written, context], axis=-1)), "state": state}


def mean_and_deviation(x):
    """Pooling by a function of `keras.ops` for a `Lambda`."""
    return ops.concatenate([ops.mean(x, axis=1), ops.std(x, axis=1)], axis=-1)
