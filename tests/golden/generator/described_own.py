"""The models of `own.py`, described in place of exported: `own_layers.mq` says what the classes of `own_layers.py` do."""

from pathlib import Path

import numpy as np
from keras import Input, Model, layers

from . import own_layers
from .described_layers import registered
from .layers import IDS, OTHER_IDS, STEPS, VOCABULARY, X, ids_input, x_input
from .own import FEATURES, LONG, embed, encoded
from .record import Case

HEADER, *DESCRIPTIONS = (Path(__file__).parent / "own_layers.mq").read_text().split("\ndescribe ")


def saved(name):
    """A class of `own_layers.py` that a file may hold by name."""
    return registered(type(name, (getattr(own_layers, name),), {}))


SinePositions, Luong, ContextAttention, MaskedMean, MaskedMax = map(
    saved, ("SinePositions", "Luong", "ContextAttention", "MaskedMean", "MaskedMax")
)
GatedResidual, Highway, NotAlike, Scale, Together, Translator, Viterbi = map(
    saved, ("GatedResidual", "Highway", "NotAlike", "Scale", "Together", "Translator", "Viterbi")
)


def description(classes):
    """The descriptions of these classes alone, and of what they call that is named after them."""
    chosen = [text for text in DESCRIPTIONS if text.split()[0].startswith(classes)]
    return "\ndescribe ".join([HEADER, *(f"{text.rstrip()}\n" for text in chosen)])


def case(name, title, model, inputs):
    """A case with the descriptions of what the model has of these classes."""
    custom = [layer for layer in model.layers if layer.__module__ == __name__]
    return Case(name, title, model, inputs, layers=description(tuple(type(layer).__name__ for layer in custom)))


def sentence(name, title, build, length=STEPS, data=IDS):
    ids = ids_input(length=length)
    return case(name, title, Model(ids, build(embed(ids))), {"ids": data})


def hierarchy():
    ids = Input((3, STEPS), dtype="int32", name="ids")
    words = layers.Embedding(VOCABULARY, FEATURES, mask_zero=True)(ids)
    sentences = ContextAttention(4, name="words")(words)
    texts = ContextAttention(5, name="sentences")(layers.Dense(FEATURES, activation="tanh")(sentences))
    data = np.stack([IDS, np.roll(IDS, 1, 0), np.roll(IDS, 3, 0)], axis=1)
    data[1, 1:] = 0
    data[3] = 0
    return case("hierarchical-attention", "attention over words, then over sentences", Model(ids, texts), {"ids": data})


def made_mask():
    x = x_input()
    data = X.copy()
    data[1, 2:] = -1.0
    data[2, 1] = -1.0
    data[3, 0] = -1.0
    y = NotAlike(-1.0)(x)
    model = Model(x, [layers.LSTM(2)(y), layers.GRU(2, return_sequences=True)(layers.Dense(3)(y))])
    return case("makes-a-mask", "a layer that makes a mask", model, {"x": data})


def translator():
    source, target = ids_input("source"), ids_input("target", 3)
    given = Translator(VOCABULARY, FEATURES, name="translator")(source, target)
    model = Model([source, target], [given["words"], given["state"]])
    return case("encoder-decoder", "a subclassed model with two arguments", model, {"source": IDS, "target": OTHER_IDS})


def cases():
    yield sentence("sine", "sines and cosines by turns", lambda x: layers.GlobalAveragePooling1D()(SinePositions(9, FEATURES)(x)))
    yield sentence("luong", "multiplicative attention", lambda x: Luong()(*encoded(x)))
    yield hierarchy()
    yield sentence("masked-pooling", "masked mean and maximum", lambda x: [MaskedMean()(x), MaskedMax()(x)])
    yield sentence("gated-residual", "a gated residual network", lambda x: layers.LSTM(3)(GatedResidual(4)(x)))
    yield sentence("highway", "a highway layer of free weights", lambda x: layers.GlobalAveragePooling1D()(Highway()(x)))
    yield made_mask()
    yield sentence(
        "ends-the-mask",
        "a layer without supports_masking",
        lambda x: [layers.LSTM(3)(Scale()(x)), layers.GlobalAveragePooling1D()(layers.Dense(2)(Scale()(x)))],
    )
    yield sentence("together", "recurrent layers inside, of any length", lambda x: Together(3)(x), None, LONG)
    yield sentence("viterbi", "the best path of a CRF, its four steps written out", lambda x: Viterbi(3)(x))
    yield translator()
