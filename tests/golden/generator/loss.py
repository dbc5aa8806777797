"""Losses under a mask: only the unmasked steps count, and their number is the divisor."""

import numpy as np
from keras import Input, Model, layers

from .record import Case

TWO_OF_FOUR = np.array([[1, 2, 0, 0], [3, 0, 0, 4]], "int32")
NONE_OF_FOUR = np.zeros((2, 4), "int32")
UNITS = 3


def numbers(rng, shape):
    return rng.normal(size=shape).astype("float32")


def bits(rng, shape):
    return rng.integers(0, 2, shape).astype("float32")


def classes(rng, shape):
    return rng.integers(0, UNITS, shape[:-1]).astype("int32")


def one_hot(rng, shape):
    return np.eye(UNITS, dtype="float32")[classes(rng, shape)]


LOSSES = {
    "mse": (None, numbers),
    "mae": (None, numbers),
    "binary_crossentropy": ("sigmoid", bits),
    "categorical_crossentropy": ("softmax", one_hot),
    "sparse_categorical_crossentropy": ("softmax", classes),
}


def embedded():
    ids = Input((4,), dtype="int32", name="ids")
    return ids, layers.Embedding(5, 2, mask_zero=True)(ids)


def per_step_model(activation):
    """One prediction a step; it carries the mask of its input."""
    ids, x = embedded()
    return Model(ids, layers.Dense(UNITS, activation=activation)(x))


def per_sample_model(activation):
    """One prediction a sample; the mask ends in the pooling."""
    ids, x = embedded()
    pooled = layers.GlobalAveragePooling1D()(x)
    return Model(ids, layers.Dense(UNITS, activation=activation)(pooled))


def cases():
    """Every loss with a masked output, with everything masked, and with no mask."""
    for loss, (activation, target) in LOSSES.items():
        rng = np.random.default_rng(len(loss))
        for name, title, model, ids, shape in (
            ("masked", "two of four steps count", per_step_model, TWO_OF_FOUR, (2, 4, UNITS)),
            ("all-masked", "no step counts: 0", per_step_model, NONE_OF_FOUR, (2, 4, UNITS)),
            ("unmasked", "the output has no mask", per_sample_model, TWO_OF_FOUR, (2, UNITS)),
        ):
            yield Case(
                f"{loss}-{name}".replace("_", "-"),
                f"{loss}: {title}",
                model(activation),
                {"ids": ids},
                loss=loss,
                target=target(rng, shape),
            )
    ids, x = embedded()
    hidden = layers.Dense(UNITS)(x)
    yield Case(
        "mse-mask-taken",
        "mse: an attention layer takes the mask off the model's output after it was made",
        Model(ids, [hidden, layers.MultiHeadAttention(2, 3)(hidden, hidden)]),
        {"ids": TWO_OF_FOUR},
        loss="mse",
        target=[numbers(np.random.default_rng(seed), (2, 4, UNITS)) for seed in (1, 2)],
    )
    ids, x = embedded()
    yield Case(
        "mse-one-unit",
        "mse: one prediction a step, [B, T, 1]",
        Model(ids, layers.Dense(1)(x)),
        {"ids": TWO_OF_FOUR},
        loss="mse",
        target=numbers(np.random.default_rng(0), (2, 4, 1)),
    )
