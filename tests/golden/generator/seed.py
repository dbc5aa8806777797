"""The models everything started with: the ones a first compiler has to get right."""

import numpy as np
from keras import Input, Model, Sequential, layers, ops

from .record import Case

SENTENCES = [
    ["The food was great and the service was great too"],
    ["Not good, not good at all."],
    ["great"],
    [""],
    ["Nothing here is a word it knows: zyzzyva!"],
]
VOCABULARY = ["the", "was", "not", "good", "great", "and", "food", "service", "at", "all", "is", "a"]

TEXTS = [
    ["Das Café war schön, ein schöner Ort – très bien!"],
    ["schön schön schön café"],
    ["Ένα όμορφο καφενείο 🙂"],
    ["日本 の 喫茶店 café"],
    ["ÉCOLE école École"],
    [""],
]


def ids_input(length):
    return Input((length,), dtype="int32", name="ids")


def text_input():
    return Input((1,), dtype="string", name="text")


def embedding_gru_dense():
    model = Sequential(
        [
            ids_input(6),
            layers.Embedding(12, 4, mask_zero=True),
            layers.GRU(5),
            layers.Dense(2),
        ]
    )
    ids = np.array([[3, 1, 4, 1, 5, 9], [2, 6, 5, 0, 0, 0], [7, 0, 8, 0, 0, 0]], "int32")
    return Case("embedding-gru-dense", "Embedding(mask_zero), GRU, Dense", model, {"ids": ids})


def text_sequential():
    model = Sequential(
        [
            text_input(),
            layers.TextVectorization(vocabulary=VOCABULARY, output_sequence_length=12),
            layers.Embedding(len(VOCABULARY) + 2, 8, mask_zero=True),
            layers.GRU(128),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    title = "text to probability: TextVectorization, Embedding(mask_zero), GRU(128), Dense"
    return Case("text-gru128", title, model, {"text": SENTENCES})


def text_explicit_mask():
    text = text_input()
    ids = layers.TextVectorization(vocabulary=VOCABULARY, output_sequence_length=12)(text)
    mask = ops.not_equal(ids, 0)
    embedded = layers.Embedding(len(VOCABULARY) + 2, 8)(ids)
    state = layers.GRU(128, dropout=0.2, recurrent_dropout=0.2)(embedded, mask=mask)
    state = layers.Dropout(0.2)(state)
    answer = layers.Dense(1, activation="sigmoid")(state)
    title = "the same function with the mask made by hand: not_equal(ids, 0) given to the GRU"
    return Case(
        "text-gru128-explicit-mask",
        title,
        Model(text, answer),
        {"text": SENTENCES},
        weights_of="text-gru128",
    )


def text_unknown_length():
    text = text_input()
    ids = layers.TextVectorization(vocabulary=VOCABULARY, output_sequence_length=None)(text)
    embedded = layers.Embedding(len(VOCABULARY) + 2, 4, mask_zero=True)(ids)
    sequence = layers.GRU(3, return_sequences=True)(embedded)
    answer = layers.Dense(1, activation="sigmoid")(layers.GRU(3)(sequence))
    title = "no output_sequence_length: as many steps as the longest text of the batch"
    model = Model(text, [sequence, answer])
    return Case("text-unknown-length", title, model, {"text": SENTENCES})


def text_learned_vocabulary():
    vectorize = layers.TextVectorization(max_tokens=12, output_sequence_length=8)
    vectorize.adapt([text for row in TEXTS for text in row])
    text = text_input()
    ids = vectorize(text)
    embedded = layers.Embedding(12, 4, mask_zero=True)(ids)
    answer = layers.Dense(1, activation="sigmoid")(layers.GRU(3)(embedded))
    title = "a vocabulary learned by adapt(), stored in assets/, of words outside ASCII"
    model = Model(text, [ids, answer])
    return Case("text-learned-vocabulary", title, model, {"text": TEXTS})


def stacked_gru():
    model = Sequential(
        [
            ids_input(5),
            layers.Embedding(8, 3, mask_zero=True),
            layers.GRU(4, return_sequences=True, name="first"),
            layers.GRU(3, name="second"),
            layers.Dense(2),
        ]
    )
    ids = np.array([[1, 2, 3, 4, 5], [6, 7, 0, 0, 0], [0, 3, 0, 2, 0]], "int32")
    title = "the mask reaches both GRUs and not the Dense"
    return Case("stacked-gru", title, model, {"ids": ids})


def lstm_sequences():
    model = Sequential(
        [
            ids_input(4),
            layers.Embedding(3, 3, mask_zero=True),
            layers.LSTM(2, return_sequences=True),
        ]
    )
    title = "a padded step repeats the output of the step before it"
    ids = np.array([[1, 0, 2, 0]], "int32")
    return Case("lstm-sequences", title, model, {"ids": ids})


def masked_mse():
    model = Sequential([ids_input(4), layers.Embedding(3, 4, mask_zero=True), layers.Dense(3)])
    title = "the mean squared error counts two of the four steps"
    ids = np.array([[1, 2, 0, 0]], "int32")
    target = np.random.default_rng(6).normal(size=(1, 4, 3)).astype("float32")
    return Case("masked-mse", title, model, {"ids": ids}, loss="mse", target=target)


def flatten_destroys():
    model = Sequential(
        [
            ids_input(4),
            layers.Embedding(6, 3, mask_zero=True),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    title = "Flatten doesn't support masking: an error unless the policy is to warn"
    ids = np.array([[1, 2, 0, 0], [5, 4, 3, 1]], "int32")
    return Case("flatten-destroys-mask", title, model, {"ids": ids})


def masking_lstm():
    model = Sequential([Input((10, 8), name="x"), layers.Masking(0.0), layers.LSTM(32)])
    x = np.random.default_rng(8).normal(size=(32, 10, 8)).astype("float32")
    x[:, [3, 5]] = 0.0
    title = "steps 3 and 5 of every sample are zero, so masked"
    return Case("masking-lstm32", title, model, {"x": x})


def cases():
    """All of them, each made when it is asked for."""
    for make in (
        embedding_gru_dense,
        text_sequential,
        text_explicit_mask,
        text_unknown_length,
        text_learned_vocabulary,
        stacked_gru,
        lstm_sequences,
        masked_mse,
        flatten_destroys,
        masking_lstm,
    ):
        yield make()
