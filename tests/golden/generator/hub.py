"""Models with layers of KerasHub, which a file holds by name, as those of anybody: `masque` brings descriptions of them."""

import keras
import numpy as np
from keras import Model, layers
from keras_hub import layers as hub

from .layers import IDS, OTHER_IDS, STEPS, VOCABULARY, ids_input, numbers, x_input
from .own import FEATURES, LONG, embed
from .record import Case

# With a step in each example.
SOME = IDS[:4]
PLACES = np.array([[0, 2, 1, 3], [1, 1, 4, 0], [3, 2, 1, 0], [5, 4, 2, 2]], "int32")


def sentence(name, title, build, data=SOME, length=STEPS, mask_zero=True, **more):
    """A case whose outputs `build` makes of an embedded sentence, and of more inputs."""
    ids = ids_input(length=length)
    inputs = [ids_input(name, value.shape[1], value.dtype) for name, value in more.items()]
    outputs = build(embed(ids, mask_zero), *inputs)
    return Case(name, title, Model([ids, *inputs], outputs), {"ids": data} | more)


def positions():
    def added(x):
        return x + hub.PositionEmbedding(9, name="position")(x)

    yield sentence("position", "learned positions", lambda x: layers.LSTM(3)(added(x)), LONG, None)
    yield sentence("position-unmasked", "the same without a mask", lambda x: added(x), mask_zero=False)
    yield sentence(
        "position-given",
        "positions from a place on, and given ones",
        lambda x, places: [
            hub.PositionEmbedding(9, name="later")(x, start_index=3),
            hub.PositionEmbedding(9, name="given")(x, positions=places),
        ],
        mask_zero=False,
        places=PLACES,
    )
    yield sentence("sine", "sines and cosines", lambda x: layers.GRU(3)(x + hub.SinePositionEncoding(name="sine")(x)), LONG, None)
    yield sentence(
        "sine-given",
        "sines and cosines of other wavelengths, from a place on, and of given positions",
        lambda x, places: [
            hub.SinePositionEncoding(max_wavelength=50, name="later")(x, start_index=2),
            hub.SinePositionEncoding(name="given")(x, positions=keras.ops.cast(places, "float32")),
        ],
        mask_zero=False,
        places=PLACES,
    )


def embeddings():
    def tokens(name, title, build, data=IDS, length=STEPS):
        ids = ids_input(length=length)
        return Case(name, title, Model(ids, build(ids)), {"ids": data})

    def both(**settings):
        return hub.TokenAndPositionEmbedding(VOCABULARY, 9, FEATURES, name="embedding", **settings)

    yield tokens("token-position", "tokens and positions", lambda ids: layers.LSTM(3)(both(mask_zero=True)(ids)), LONG, None)
    yield tokens("token-position-unmasked", "the same without a mask", lambda ids: both()(ids))
    yield tokens(
        "token-position-untied",
        "a matrix for the way back that nobody goes, positions from a place on",
        lambda ids: layers.GlobalAveragePooling1D()(both(mask_zero=True, tie_weights=False)(ids, start_index=2)),
    )

    def there_and_back(ids, **settings):
        embedding = hub.ReversibleEmbedding(VOCABULARY, FEATURES, name="embedding", **settings)
        return embedding(layers.LSTM(FEATURES, return_sequences=True)(embedding(ids)), reverse=True)

    yield tokens("reversible", "tokens there and back", lambda ids: there_and_back(ids, mask_zero=True), LONG, None)
    yield tokens(
        "reversible-untied",
        "the same with a matrix for the way back, bounded",
        lambda ids: there_and_back(ids, tie_weights=False, logit_soft_cap=2.0),
    )


def cases():
    yield from positions()
    yield from embeddings()
