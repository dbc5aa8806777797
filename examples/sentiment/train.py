#!/usr/bin/env python3
"""Train the bundled sentiment model and write down what Keras answers.

    pip install keras==3.15.1 tensorflow-cpu==2.21.0 numpy h5py
    python train.py

Writes `sentiment.keras` and `expected.json` beside this file; reads `reviews.jsonl`.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The golden cases' generator knows how to set Keras up and how to save the same bytes each time.
sys.path.insert(0, str(HERE.parents[1] / "tests" / "golden"))

from generator import archive, environment  # noqa: E402

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

import corpus  # noqa: E402

VOCABULARY = 2000
TRAINING, HELD_OUT = 12000, 2000


def as_arrays(reviews):
    """Texts [N, 1] and labels [N, 1]."""
    texts, labels = zip(*reviews)
    return tf.constant(texts)[:, None], np.array(labels, "float32")[:, None]


def build(texts):
    """The untrained model, its vocabulary learned from `texts`."""
    vectorize = keras.layers.TextVectorization(max_tokens=VOCABULARY, name="vectorize")
    vectorize.adapt(texts)
    text = keras.Input((1,), dtype="string", name="text")
    ids = vectorize(text)
    words = keras.layers.Embedding(
        vectorize.vocabulary_size(), 32, mask_zero=True, name="embedding"
    )(ids)
    state = keras.layers.GRU(32, name="gru")(words)
    score = keras.layers.Dense(1, activation="sigmoid", name="score")(state)
    return keras.Model(text, score, name="sentiment")


def train(model, texts, labels):
    """Fit the layers behind the vectorizer, which has nothing to learn any more."""
    ids = model.get_layer("vectorize")(texts)
    # Some words, and all words of some reviews, are made unknown ([UNK], id 1): what a model
    # learns about them otherwise is nothing.
    rng = np.random.default_rng(0)
    hidden = rng.random(ids.shape) < np.where(rng.random((len(ids), 1)) < 0.03, 1.0, 0.04)
    ids = np.where(hidden & (ids.numpy() > 0), 1, ids.numpy())
    inner = keras.Model(model.get_layer("embedding").input, model.output)
    inner.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy", metrics=["accuracy"])
    inner.fit(ids, labels, batch_size=64, epochs=7, verbose=2)


def accuracy(model, reviews):
    texts, labels = as_arrays(reviews)
    return float(np.mean((model.predict(texts, verbose=0) > 0.5) == labels))


def without_optimizer(model):
    """The same layers in a model that was never compiled."""
    return keras.Model(model.input, model.output, name=model.name)


def main():
    environment.require_keras()
    keras.utils.set_random_seed(2026)
    training = corpus.reviews(1, TRAINING)
    held_out = corpus.reviews(2, HELD_OUT, unlike=[text for text, _ in training])
    texts, labels = as_arrays(training)
    model = build(texts)
    train(model, texts, labels)

    path = HERE / "sentiment.keras"
    without_optimizer(model).save(path)
    archive.normalise(path)
    saved = keras.saving.load_model(path, compile=False)

    lines = (HERE / "reviews.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    scores = saved(tf.constant(texts)[:, None], training=False).numpy()[:, 0]
    results = {
        "keras_version": keras.__version__,
        "accuracy": {
            "held_out": round(accuracy(saved, held_out), 4),
            "hand_written": round(accuracy(saved, corpus.HAND_WRITTEN), 4),
        },
        "reviews": [{"text": t, "score": float(s)} for t, s in zip(texts, scores)],
    }
    (HERE / "expected.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    for text, score in zip(texts, scores):
        print(f"{score:.3f}  {text}")
    print(results["accuracy"], f"{saved.count_params()} parameters, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
