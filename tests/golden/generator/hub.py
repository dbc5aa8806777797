"""Models with layers of KerasHub, which a file holds by name, as those of anybody: `masque` brings descriptions of them."""

import keras
import numpy as np
from keras import Model, layers
from keras_hub import layers as hub
from keras_hub.src.utils.keras_utils import gelu_approximate

from . import archive
from .files import FileCase
from .layers import IDS, OTHER_IDS, STEPS, VOCABULARY, ids_input, numbers, x_input
from .own import FEATURES, LONG, embed
from .record import Case

# With a step in each example, and first where a position looks back only: Keras weighs all alike where a position sees
# nothing, padding too, whose rows masque leaves out.
SOME = IDS[:4]
BEGUN = np.where(np.arange(STEPS) == 0, np.maximum(SOME, 1), SOME)
LONGER = LONG[[0, 1, 2]]
OTHER_SOME = np.where(OTHER_IDS[:4].any(1, keepdims=True), OTHER_IDS[:4], 2)
PLACES = np.array([[0, 2, 1, 3], [1, 1, 4, 0], [3, 2, 1, 0], [5, 4, 2, 2]], "int32")


def sentence(name, title, build, data=SOME, length=STEPS, mask_zero=True, **more):
    """A case whose outputs `build` makes of an embedded sentence, and of more inputs."""
    ids = ids_input(length=length)
    inputs = [keras.Input(value.shape[1:], dtype=str(value.dtype), name=name) for name, value in more.items()]
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


def mask(name, data):
    """A bool input beside `data`."""
    return {name: np.asarray(data, "bool")}


PADDING = [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 0, 1], [1, 0, 1, 1]]
PAIRS = np.random.default_rng(5).random((4, STEPS, STEPS)) < 0.7


def encoders():
    def encoder(name, **settings):
        return hub.TransformerEncoder(8, 2, name=name, **settings)

    def stack(x):
        x = encoder("first")(x)
        x = encoder("second", normalize_first=True, activation="gelu", layer_norm_epsilon=1e-3)(x)
        return [layers.GlobalAveragePooling1D()(x), layers.LSTM(3)(x)]

    yield sentence("encoder", "encoders that normalize last and first", stack, LONG[:4], None)
    yield sentence("encoder-unmasked", "the same without a mask", stack, mask_zero=False)
    yield sentence("encoder-dropout", "attention that sees nothing where all is masked", lambda x: encoder("encoder", dropout=0.2)(x), IDS)
    approximate = lambda x: encoder("encoder", activation=gelu_approximate)(x)
    yield sentence("encoder-gelu", "the activation that the models of the library have", approximate)
    yield sentence(
        "encoder-masks",
        "padding and pairs of positions as arguments, without a mask on the way",
        lambda x, padding, pairs: [
            encoder("padded")(x, padding_mask=padding),
            encoder("paired")(x, attention_mask=pairs),
            encoder("both")(x, padding_mask=padding, attention_mask=pairs),
        ],
        mask_zero=False,
        **mask("padding", SOME != 0),
        **mask("pairs", PAIRS),
    )
    yield sentence(
        "encoder-own-masks",
        "the same beside the mask of the sentence",
        lambda x, padding, pairs: layers.LSTM(3)(encoder("both")(encoder("paired")(x, attention_mask=pairs), padding_mask=padding)),
        BEGUN,
        **mask("padding", PADDING),
        **mask("pairs", PAIRS),
    )
    yield sentence("fnet", "an encoder of Fourier transforms, of any length", lambda x: layers.LSTM(3)(hub.FNetEncoder(8, name="encoder")(x)), LONG, None)
    yield sentence(
        "fnet-fixed",
        "the same of one length, without a mask",
        lambda x: hub.FNetEncoder(8, activation="gelu", layer_norm_epsilon=1e-3, dropout=0.1, name="encoder")(x),
        mask_zero=False,
    )


def rotations():
    def case(name, title, build, shape=(5, 8), **more):
        x = keras.Input((None, *shape[1:]), name="x")
        inputs = [ids_input(name, None, value.dtype) for name, value in more.items()]
        return Case(name, title, Model([x, *inputs], build(x, *inputs)), {"x": numbers(4, *shape, seed=3)} | more)

    def rotary(name, **settings):
        return hub.RotaryEmbedding(name=name, **settings)

    yield case(
        "rotary",
        "rotated features, from a place on, of other wavelengths",
        lambda x: [rotary("plain")(x), rotary("later", max_wavelength=50, scaling_factor=2.0)(x, start_index=3)],
    )
    yield case(
        "rotary-heads",
        "rotated heads, with time in front of them and behind",
        lambda x: [rotary("front")(x), rotary("behind", sequence_axis=2, denominator_dim=16)(x)],
        (5, 3, 6),
    )
    yield case(
        "rotary-scaled",
        "longer contexts",
        lambda x: [
            rotary("dynamic", rope_type="dynamic", scaling_factor=2.0)(x),
            rotary("yarn", rope_type="yarn", scaling_factor=4.0, original_max_position_embeddings=64)(x),
            rotary("rough", rope_type="yarn", scaling_factor=4.0, original_max_position_embeddings=640, truncate=False, beta_fast=8.0)(x),
        ],
    )
    yield case(
        "rotary-given",
        "given positions, of heads too",
        lambda x, places: [rotary("given")(x, positions=places), rotary("heads")(keras.ops.expand_dims(x, 2), positions=places)],
        (4, 8),
        places=PLACES,
    )
    yield sentence("rotary-masked", "a mask that a rotation loses", lambda x: layers.GRU(3)(rotary("rotary")(x)), LONG, None)


def heads():
    def head(x, places, **settings):
        return hub.MaskedLMHead(VOCABULARY, name="head", **settings)(x, places)

    yield sentence("head", "words in the place of masks", lambda x, places: head(x, places, activation="softmax"), places=PLACES % STEPS)
    yield sentence(
        "head-settings",
        "the same of an encoder, by name",
        lambda x, places: hub.MaskedLMHead(VOCABULARY, intermediate_activation="gelu", layer_norm_epsilon=1e-3, name="head")(
            hub.TransformerEncoder(8, 2, name="encoder")(x), mask_positions=places
        ),
        places=PLACES % STEPS,
    )


def attention():
    def two(name, title, build, mask_zero=True, **more):
        ids, other = ids_input("ids"), ids_input("other", 3)
        inputs = [keras.Input(value.shape[1:], dtype="bool", name=name) for name, value in more.items()]
        outputs = build(embed(ids, mask_zero), embed(other, mask_zero), *inputs)
        data = {"ids": BEGUN, "other": OTHER_SOME}
        return Case(name, title, Model([ids, other, *inputs], outputs), data | more)

    seen = mask("seen", np.random.default_rng(6).random((4, STEPS, 3)) < 0.7)
    padding = mask("padding", OTHER_SOME != 0)

    def cached(name, **settings):
        return hub.CachedMultiHeadAttention(2, 3, name=name, **settings)

    yield two(
        "cached",
        "attention that looks at no mask but the one that is passed",
        lambda x, y, seen: layers.LSTM(3)(layers.Add()([cached("one")(x, y, attention_mask=seen), cached("two", value_dim=4, use_bias=False)(x, y), cached("three", dropout=0.1)(x, y, y)])),
        **seen,
    )
    yield two("cached-again", "what it read has its mask still", lambda x, y: [cached("one")(x, x), layers.LSTM(3)(x)])

    def decoder(name, **settings):
        return hub.TransformerDecoder(8, 2, name=name, **settings)

    def stack(x, y):
        x = decoder("first")(x, y)
        x = decoder("second", normalize_first=True, activation="gelu", layer_norm_epsilon=1e-3)(x, encoder_sequence=y)
        return layers.LSTM(3)(x)

    yield two("decoder", "decoders that look at an encoder", stack)
    yield two("decoder-unmasked", "the same without a mask", stack, False)
    yield two(
        "decoder-masks",
        "masks as arguments",
        lambda x, y, padding, seen: decoder("decoder")(x, y, encoder_padding_mask=padding, encoder_attention_mask=seen),
        **padding,
        **seen,
    )
    yield sentence(
        "decoder-alone",
        "decoders without an encoder",
        lambda x: layers.LSTM(3)(decoder("second", normalize_first=True)(decoder("first", dropout=0.1)(x))),
        LONGER,
        None,
    )
    yield sentence(
        "decoder-alone-masks",
        "one that looks ahead, and masks as arguments",
        lambda x, padding, pairs: decoder("second")(
            decoder("first")(x, decoder_padding_mask=padding, decoder_attention_mask=pairs), use_causal_mask=False
        ),
        BEGUN,
        **mask("padding", PADDING),
        **mask("pairs", PAIRS | np.eye(STEPS, dtype=bool)),
    )


def bert():
    """As the backbone of KerasHub: the padding is an input of its own."""
    ids, segments, places = ids_input("ids", None), ids_input("segments", None), ids_input("places", 2)
    padding = keras.Input((None,), dtype="int32", name="padding")
    tokens = hub.ReversibleEmbedding(VOCABULARY, FEATURES, name="tokens")
    x = tokens(ids)
    x = layers.Add()([x, hub.PositionEmbedding(9, name="positions")(x), layers.Embedding(2, FEATURES, name="kinds")(segments)])
    x = layers.Dropout(0.1)(layers.LayerNormalization(epsilon=1e-12)(x))
    for block in range(2):
        x = hub.TransformerEncoder(8, 2, activation="gelu", dropout=0.1, layer_norm_epsilon=1e-12, name=f"block_{block}")(x, padding_mask=padding)
    words = hub.MaskedLMHead(token_embedding=tokens, intermediate_activation="gelu", activation="softmax", name="words")(x, places)
    pooled = layers.Dense(FEATURES, activation="tanh", name="pooled")(x[:, 0, :])
    score = layers.Dense(2, activation="softmax", name="score")(pooled)
    inputs = {"ids": LONGER, "segments": np.array([[0, 0, 1, 1, 1]] * 3, "int32"), "places": PLACES[:3, :2], "padding": (LONGER != 0).astype("int32")}
    return Case("bert", "a classifier like BERT, whose masked words are found with the embedding", Model([ids, segments, padding, places], [score, words]), inputs)


def classifier():
    ids = ids_input(length=None)
    x = hub.TokenAndPositionEmbedding(VOCABULARY, 9, FEATURES, mask_zero=True, name="embedding")(ids)
    for block in range(2):
        x = hub.TransformerEncoder(8, 3, normalize_first=bool(block), name=f"block_{block}")(x)
    score = layers.Dense(2, activation="softmax", name="score")(layers.GlobalAveragePooling1D(name="pooling")(x))
    return Case("classifier", "the classifier of Keras' guide to transformers", Model(ids, score), {"ids": LONG[:4]})


def gpt():
    """As the backbone of KerasHub, with the way back to the words."""
    ids, padding = ids_input("ids", None), keras.Input((None,), dtype="int32", name="padding")
    tokens = hub.ReversibleEmbedding(VOCABULARY, FEATURES, name="tokens")
    x = tokens(ids)
    x = layers.Dropout(0.1)(layers.Add()([x, hub.PositionEmbedding(9, name="positions")(x)]))
    for block in range(2):
        x = hub.TransformerDecoder(8, 2, activation="gelu", normalize_first=True, name=f"block_{block}")(x, decoder_padding_mask=padding)
    logits = tokens(layers.LayerNormalization(name="normalized")(x), reverse=True)
    inputs = {"ids": LONGER, "padding": (LONGER != 0).astype("int32")}
    return Case("gpt", "a language model like GPT-2", Model([ids, padding], logits), inputs)


def causal():
    ids = ids_input(length=None)
    x = hub.TokenAndPositionEmbedding(VOCABULARY, 9, FEATURES, mask_zero=True, name="embedding")(ids)
    for block in range(2):
        x = hub.TransformerDecoder(8, 2, name=f"block_{block}")(x)
    words = layers.Dense(VOCABULARY, activation="softmax", name="words")(x)
    return Case("causal", "the language model of Keras' guide to generation", Model(ids, words), {"ids": LONGER})


def shared():
    """One encoder called twice, in a model in the model."""
    words = ids_input("words", None)
    encoder = hub.TransformerEncoder(8, 2, name="encoder")
    inner = Model(words, encoder(encoder(embed(words))), name="reader")
    ids = ids_input(length=None)
    return Case("shared", "an encoder called twice in a model in the model", Model(ids, layers.LSTM(3)(inner(ids))), {"ids": LONG})


def nested_head():
    """A head that holds the embedding of the model around."""
    tokens = hub.ReversibleEmbedding(VOCABULARY, FEATURES, name="tokens")
    x, inner_places = keras.Input((STEPS, FEATURES), name="x"), ids_input("inner_places", 4)
    head = Model([x, inner_places], hub.MaskedLMHead(token_embedding=tokens, name="words")(x, inner_places), name="head")
    ids, places = ids_input(), ids_input("places", 4)
    model = Model([ids, places], head([tokens(ids), places]))
    return Case("nested-head", "a head in a model in the model, with the embedding outside", model, {"ids": SOME, "places": PLACES % STEPS})


def named_as_before(path):
    """Gives the classes the names that they had in KerasNLP."""
    members = archive.read_members(path)
    members["config.json"] = members["config.json"].replace(b"keras_hub", b"keras_nlp")
    archive.write_members(path, members)


def legacy():
    """An `.h5`, in which a head has the weights of the embedding once more."""
    case = bert()
    return FileCase("bert-h5", "the same as an .h5 file, in which layers stand in order", case.model, case.inputs, form="model.h5")


def cases():
    yield from positions()
    yield from embeddings()
    yield from encoders()
    yield from rotations()
    yield from heads()
    yield from attention()
    yield bert()
    yield classifier()
    yield gpt()
    yield causal()
    yield shared()
    yield nested_head()
    nlp = classifier()
    nlp.name, nlp.title, nlp.finish = "nlp", "the same under the names of KerasNLP", named_as_before
    yield nlp
    yield legacy()
