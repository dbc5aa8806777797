"""Makes text.json: what Keras' TextVectorization gives for awkward texts.

    pip install keras==3.15.1 tensorflow-cpu
    python make_text.py > text.json

Each case holds the operation's attributes in masque's terms, the texts, the vocabulary (without the special
tokens), the weights and the result.
"""

import json
import sys

import keras
import tensorflow as tf

TEXTS = [
    "the cat sat on the mat",
    "The CAT, the cat! THE-cat?",
    "don't stop_me now: e-mail@x.org",
    "",
    " \t\n ",
    "?!...",
    "a\u00a0b\u2003c\u3000d\u0085e",
    "one\vtwo\fthree\rfour\x1cfive",
    "\u00c9t\u00e9 \u00e9t\u00e9 \u00c9T\u00c9 \u201cquoted\u201d \u2014 dash\u2026",
    "\u4f60\u597d \u4e16\u754c \U0001f600 \u0130 \u00df",
    "e\u0301 \u00e9",
    "UNK [UNK] [unk]",
    "nul\0in the cat",
    " ".join(["the", "mat", "unseen"] * 40),
]
VOCABULARY = (
    "the cat sat on mat the\u00a0cat dont don't e stop_me stopme b \u00e9t\u00e9 \u00c9t\u00e9 \u00c9T\u00c9 two three "
    "\u4f60\u597d \u201cquoted\u201d a\u00a0b\u2003c\u3000d\u0085e unk nul\0in \u00e9 t"
).split(" ") + ["the cat", "cat sat", "the cat sat", " ", "\U0001f600", "the cat sat on the mat", "?!..."]
STANDARDIZE = {
    "keep": None,
    "lower": "lower",
    "strip_punctuation": "strip_punctuation",
    "lower_and_strip_punctuation": "lower_and_strip_punctuation",
}
SPLIT = {"whole": None, "whitespace": "whitespace", "character": "character"}
LONG = (None, 4, 150)


def case(texts, standardize="lower_and_strip_punctuation", split="whitespace", ngrams=(), output="int", length=None):
    counted = output != "int"
    tokens = 1 + len(VOCABULARY)
    weights = [0.25 * (number % 7) for number in range(tokens)] if output == "tf_idf" else None
    layer = keras.layers.TextVectorization(
        max_tokens=length if counted else None,
        pad_to_max_tokens=counted and length is not None,
        standardize=STANDARDIZE[standardize],
        split=SPLIT[split],
        ngrams=ngrams or None,
        output_mode=output,
        output_sequence_length=None if counted else length,
        vocabulary=VOCABULARY,
        idf_weights=weights[1:] if weights else None,
    )
    if weights:
        weights[0] = sum(weights[1:]) / len(weights[1:])
    result = layer(tf.constant(texts)).numpy()
    attributes = {"standardize": standardize, "split": split, "ngrams": list(ngrams), "output": output}
    # Without a length, numbers are as many as the longest row has, and columns as many as there are tokens.
    attributes["length"] = length or (tokens if counted else "N")
    attributes["to"] = "f32" if output == "tf_idf" else "i64"
    return {
        "attributes": attributes,
        "texts": texts,
        "weights": weights,
        "shape": list(result.shape),
        "result": result.flatten().tolist(),
    }


def cases():
    column = [[text] for text in TEXTS]
    for standardize in STANDARDIZE:
        for split in SPLIT:
            texts = column if split == "whole" else TEXTS
            yield case(texts, standardize, split, length=6)
    for length in LONG:
        yield case(TEXTS, length=length)
    yield case(column[:4])
    yield case(["", "?"])
    yield case([["the", ""], ["cat", "SAT"]], split="whole")
    for ngrams in [(1,), (2,), (1, 2, 3), (3, 1)]:
        yield case(TEXTS[:6], ngrams=ngrams)
    yield case(TEXTS[:3], split="character", ngrams=(1, 2), length=12)
    for output in ["multi_hot", "count", "tf_idf"]:
        yield case(TEXTS[:9], output=output)
        yield case(TEXTS[-3:], output=output, ngrams=(1, 2), length=45)
    yield case([["the", ""], ["", "zz"]], split="whole", output="count")


json.dump({"keras": keras.__version__, "vocabulary": VOCABULARY, "cases": list(cases())}, sys.stdout, indent=None)
