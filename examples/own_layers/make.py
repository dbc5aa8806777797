"""The model of `own_layers.rs`, with what Keras answers: `python make.py` writes `model.keras` and `expected.json`.

Made with keras 3.15.1 and tensorflow-cpu 2.21.0.
"""

import json
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

HERE = Path(__file__).parent


@keras.saving.register_keras_serializable("example")
class GatedResidual(layers.Layer):
    """`x + scale * gate(x) * value(x)`, step by step."""

    def __init__(self, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.scale = scale

    def build(self, shape):
        self.gate = layers.Dense(shape[-1], activation="sigmoid")
        self.value = layers.Dense(shape[-1], activation="tanh")
        self.gate.build(shape)
        self.value.build(shape)
        super().build(shape)

    def call(self, x):
        return x + self.scale * self.gate(x) * self.value(x)

    def get_config(self):
        return super().get_config() | {"scale": self.scale}


@keras.saving.register_keras_serializable("example")
class WeightedMean(layers.Layer):
    """The mean over time, in which each step has a weight between 0 and 1 and padding has none."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 1), name="kernel")

    def call(self, x, mask=None):
        weights = ops.sigmoid(ops.matmul(x, self.kernel))
        if mask is not None:
            weights = ops.where(ops.expand_dims(mask, -1), weights, 0.0)
        return ops.sum(weights * x, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1e-6)

    def compute_mask(self, x, mask=None):
        return None


def main():
    keras.utils.set_random_seed(0)
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(20, 6, mask_zero=True, name="embedding")(ids)
    x = GatedResidual(scale=0.5, name="first")(x)
    x = GatedResidual(name="second")(x)
    x = WeightedMean(name="mean")(x)
    scores = layers.Dense(3, activation="softmax", name="scores")(x)
    model = keras.Model(ids, scores, name="gated")
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0, 0.7, weight.shape) for weight in model.get_weights()])
    model.save(HERE / "model.keras")
    batch = np.array([[3, 14, 15, 9, 2], [6, 5, 0, 0, 0], [7, 0, 1, 0, 0]])
    answer = model.predict(batch, verbose=0)
    expected = {"ids": batch.tolist(), "scores": [[float(str(x)) for x in row] for row in answer]}
    (HERE / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
