"""Models with custom layers, exported as plain files: what is expected is what the originals give."""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import Input, Model, layers

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "compiler" / "python"))

from . import own_layers as own  # noqa: E402
from .layers import IDS, OTHER_IDS, STEPS, VOCABULARY, X, ids_input, x_input  # noqa: E402
from .record import Case  # noqa: E402

FEATURES = 6
LONG = np.array([[1, 2, 3, 4, 5], [5, 6, 0, 0, 0], [2, 0, 0, 3, 1], [0, 4, 0, 5, 0], [0, 0, 0, 0, 0]], "int32")


def embed(ids, mask_zero=True):
    return layers.Embedding(VOCABULARY, FEATURES, mask_zero=mask_zero)(ids)


def sentence(name, title, build, length=STEPS, data=IDS, mask_zero=True):
    """A case whose outputs `build` makes out of an embedded sentence."""
    ids = ids_input(length=length)
    return Case(name, title, Model(ids, build(embed(ids, mask_zero))), {"ids": data}, exported=True)


def tokens(name, title, build, length=STEPS, data=IDS):
    """A case whose outputs `build` makes out of token numbers."""
    ids = ids_input(length=length)
    return Case(name, title, Model(ids, build(ids)), {"ids": data}, exported=True)


def post_norm(ids):
    x = own.TokenAndPosition(STEPS, VOCABULARY, FEATURES)(ids)
    x = own.PostNormBlock(FEATURES, 2, 8, name="block_1")(x)
    x = own.PostNormBlock(FEATURES, 2, 8, name="block_2")(x)
    return layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(x))


def pre_norm(causal):
    def build(x):
        x = own.PreNormBlock(FEATURES, 3, 8, causal=causal, name="block_1")(x)
        x = own.PreNormBlock(FEATURES, 2, 8, causal=causal, name="block_2")(x)
        return [layers.GlobalAveragePooling1D()(x), layers.LSTM(3)(x)]

    return build


def encoded(x):
    sequence, state = layers.GRU(5, return_sequences=True, return_state=True)(x)
    return state, sequence


def hierarchy():
    """Words to sentences to a text, with an attention of the same class at both levels."""
    ids = Input((3, STEPS), dtype="int32", name="ids")
    words = layers.Embedding(VOCABULARY, FEATURES, mask_zero=True)(ids)
    sentences = own.ContextAttention(4, name="words")(words)
    texts = own.ContextAttention(5, name="sentences")(layers.Dense(FEATURES, activation="tanh")(sentences))
    data = np.stack([IDS, np.roll(IDS, 1, 0), np.roll(IDS, 3, 0)], axis=1)
    data[1, 1:] = 0
    data[3] = 0
    return Case("hierarchical-attention", "attention over words, then over sentences", Model(ids, texts), {"ids": data}, exported=True)


def shared():
    """One custom layer called on two inputs."""
    left, right = ids_input("left"), ids_input("right", 3)
    embedding, block = layers.Embedding(VOCABULARY, FEATURES, mask_zero=True), own.SplitHeads(FEATURES, 2, name="block")
    pool = own.MaskedMean()
    outputs = layers.Dot(axes=1)([pool(block(embedding(left))), pool(block(embedding(right)))])
    return Case("shared", "a custom layer called twice", Model([left, right], outputs), {"left": IDS, "right": OTHER_IDS}, exported=True)


def translator():
    model = own.Translator(VOCABULARY, FEATURES, name="translator")
    symbolic = (ids_input("source"), ids_input("target", 3))
    model(IDS, OTHER_IDS)
    data = {"source": IDS, "target": OTHER_IDS}
    return Case("encoder-decoder", "a subclassed model with two arguments", model, data, exported=True, symbolic=symbolic)


def made_mask():
    x = x_input()
    data = X.copy()
    data[1, 2:] = -1.0
    data[2, 1] = -1.0
    data[3, 0] = -1.0
    y = own.NotAlike(-1.0)(x)
    model = Model(x, [layers.LSTM(2)(y), layers.GRU(2, return_sequences=True)(layers.Dense(3)(y))])
    return Case("makes-a-mask", "a layer that makes a mask", model, {"x": data}, exported=True)


def cases():
    yield tokens("token-position", "token and position embeddings under an LSTM",
                 lambda ids: layers.LSTM(3)(own.TokenAndPosition(STEPS, VOCABULARY, FEATURES)(ids)))  # fmt: skip
    yield tokens("token-position-open", "the same, of any length",
                 lambda ids: layers.LSTM(3)(own.TokenAndPosition(9, VOCABULARY, FEATURES)(ids)), None, LONG)  # fmt: skip
    yield tokens("post-norm", "two transformer blocks that lose the mask", post_norm)
    yield sentence("pre-norm", "two transformer blocks that keep the mask", pre_norm(False))
    yield sentence("pre-norm-causal", "two that look back only, of any length", pre_norm(True), None, LONG)
    yield sentence("sine", "sine positions", lambda x: layers.GlobalAveragePooling1D()(own.SinePositions(9, FEATURES)(x)))
    yield sentence("rotary", "rotary positions, of any length", lambda x: layers.GRU(3)(own.Rotary()(x)), None, LONG)
    yield sentence("split-heads", "attention written out, of any length",
                   lambda x: layers.GlobalAveragePooling1D()(own.SplitHeads(FEATURES, 2)(x)), None, LONG)  # fmt: skip
    yield sentence("bahdanau", "additive attention", lambda x: own.Bahdanau(4)(*encoded(x)))
    yield sentence("luong", "multiplicative attention", lambda x: own.Luong()(*encoded(x)))
    yield hierarchy()
    yield sentence("masked-pooling", "masked mean and maximum", lambda x: [own.MaskedMean()(x), own.MaskedMax()(x)])
    yield sentence("gated-residual", "a gated residual network", lambda x: layers.LSTM(3)(own.GatedResidual(4)(x)))
    yield sentence("highway", "a highway layer of free weights", lambda x: layers.GlobalAveragePooling1D()(own.Highway()(x)))
    yield sentence("shift", "a layer that shifts the mask", lambda x: [layers.LSTM(3)(own.Shift()(x)), own.MaskedMean()(own.Shift()(x))])
    yield made_mask()
    yield sentence("ends-the-mask", "a layer without supports_masking",
                   lambda x: [layers.LSTM(3)(own.Scale()(x)), layers.GlobalAveragePooling1D()(layers.Dense(2)(own.Scale()(x)))])  # fmt: skip
    yield sentence("together", "recurrent layers inside, of any length", lambda x: own.Together(3)(x), None, LONG)
    yield sentence("class-token", "a learned step before the others",
                   lambda x: [own.MaskedMean()(own.ClassToken()(x)), layers.GRU(2)(own.ClassToken()(x))])  # fmt: skip
    yield sentence("heads", "projections by einsum, a bias between positions", lambda x: own.HeadProjection(2, 4)(x), mask_zero=False)
    yield tokens("tied", "a free table read as embedding and as logits", lambda ids: own.TiedHead(VOCABULARY, FEATURES)(ids))
    yield sentence("step-by-step", "a recurrence with a loop of its own", lambda x: own.StepByStep(3)(x))
    yield sentence("viterbi", "the best path of a CRF", lambda x: own.Viterbi(3)(x))
    yield sentence("switch", "a condition, a custom layer inside another", lambda x: own.Switch(FEATURES)(x), mask_zero=False)
    yield sentence("lambda", "a Lambda of operations", lambda x: layers.Lambda(own.mean_and_deviation)(x), mask_zero=False)
    yield shared()
    yield translator()
    yield Case("sequential", "a Sequential with custom layers", keras.Sequential(
        [Input((STEPS,), dtype="int32", name="ids"), layers.Embedding(VOCABULARY, FEATURES, mask_zero=True), own.GatedResidual(4),
         layers.Bidirectional(layers.LSTM(2, return_sequences=True)), own.MaskedMax()]), {"ids": IDS}, exported=True)  # fmt: skip
