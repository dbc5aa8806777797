"""Operations of `keras.ops`, each with several settings, and what they do with masks: lose them, as a rule."""

from keras import layers, ops

from .layers import UNITS, masked_case, unmasked_case


def order_and_position(x):
    return [
        ops.sort(x, axis=1),
        ops.argsort(x, axis=0),
        ops.argmax(x, axis=1, keepdims=True),
        ops.median(x, axis=-1),
        ops.cumsum(x, axis=-1),
        ops.cumprod(x, axis=1),
        ops.tril(x, k=1),
        ops.triu(x),
    ]


def indexing(x):
    return [
        x[:, 1],
        x[:, -2:, ::2],
        x[..., None, ::-1],
        x[:, 3:0:-2],
        ops.take(x, [3, -1, 0], axis=1),
        *ops.split(x, [1, 3], axis=1),
        ops.pad(x, [[0, 0], [2, 1], [0, 0]], constant_values=-1.0),
        ops.roll(x, -1, axis=1),
    ]


def arithmetic(x):
    return [
        ops.mod(x, -0.7),
        ops.floor_divide(x, 0.3),
        ops.power(ops.abs(x), 0.5),
        ops.clip(x, -0.5, 0.25),
        ops.where(x > 0, x, -1.0),
        ops.einsum("btf,bsf->bts", x, x),
        ops.matmul(x, ops.transpose(x, (0, 2, 1))),
        ops.logsumexp(x, axis=(1, 2)),
    ]


def casts(x):
    """A cast to the element type that is there gives the very same tensor, mask and all."""
    seen = [ops.cast(x, "float32"), x + 0.0, ops.cast(ops.cast(x, "int32"), "float32")]
    return [layers.LSTM(UNITS)(x) for x in seen]


def cases():
    return [
        unmasked_case("order-and-position", "sorting, extremes, running sums", order_and_position),
        unmasked_case("indexing", "slices, pieces, padding", indexing),
        unmasked_case("arithmetic", "arithmetic, products, choices", arithmetic),
        masked_case("casts-masked", "a cast that changes nothing keeps the mask", casts),
    ]
