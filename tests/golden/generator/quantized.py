"""Models that were quantized before they were saved, in int8 and float8.

Keras also rounds what such layers compute with. The numbers here are those of a model in float32 with the weights as
they were rounded, which is what is promised.
"""

import keras
import numpy as np
from keras import Input, Model, layers

from . import record
from .layers import IDS, STEPS, VOCABULARY


class Quantized(record.Case):
    """A case whose model is quantized in its file, and runs in float32 with the weights of the file."""

    def __init__(self, mode, title, build):
        twin, model = [again(build) for _ in range(2)]
        record.randomise(twin, mode)
        model.set_weights(twin.get_weights())
        model.quantize(mode)
        for rounded, plain in zip(leaves(model), leaves(twin), strict=True):
            if rounded.quantization_mode == "int8":
                plain.set_weights(dequantized(rounded))
        super().__init__(mode, title, model, {"ids": IDS})
        self.twin = twin

    def write(self, folder):
        """As other cases; the twin gives the numbers."""

        def store(case, folder):
            path = folder / "model.keras"
            case.model.save(path)
            record.archive.normalise(path)
            return path, case.twin

        with record.mock.patch.object(record, "store", store):
            return record.write(self, folder)


def again(build):
    """The model with the names that Keras makes up begun again."""
    keras.backend.clear_session()
    return build()


def leaves(model):
    found = [layer for layer in model._flatten_layers() if len(list(layer._flatten_layers())) == 1]
    return [layer for layer in found if layer.weights]


def dequantized(layer):
    """The weights in the order of an unquantized layer."""
    if isinstance(layer, layers.Embedding):
        weights = [np.array(layer._embeddings) / np.array(layer.embeddings_scale)[:, None]]
        if getattr(layer, "reverse_embeddings", None) is not None and not layer.tie_weights:
            weights.append(np.array(layer.reverse_embeddings) / np.array(layer.reverse_embeddings_scale))
        return weights
    scale = layer.kernel_scale
    if isinstance(layer, layers.EinsumDense):
        scale = layer._adjust_scale_for_dequant(scale)
    bias = [] if layer.bias is None else [np.array(layer.bias)]
    return [np.array(layer._kernel) / np.array(scale), *bias]


def words():
    """Every kind of layer that has whole numbers for weights, alone and inside others."""
    ids = Input((STEPS,), dtype="int32", name="ids")
    table = layers.ReversibleEmbedding(VOCABULARY, 6, tie_weights=False, name="table")
    x = layers.Add(name="both")([table(ids), layers.Embedding(VOCABULARY, 6, mask_zero=True, name="words")(ids)])
    x = layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    turned = layers.EinsumDense("abc,cde->abed", output_shape=(None, 4, 2), bias_axes="ed", name="turned")(x)
    flat = layers.Reshape((STEPS, 8), name="flat")(turned)
    back = layers.TimeDistributed(layers.Dense(6, use_bias=False, name="inside"), name="back")(flat)
    return Model(ids, [table(back, reverse=True), layers.Dense(2, name="scores")(back)], name="words")


def products():
    """Float8 knows products alone."""
    ids = Input((STEPS,), dtype="int32", name="ids")
    x = layers.Embedding(VOCABULARY, 6, mask_zero=True, name="words")(ids)
    x = layers.EinsumDense("abc,cd->abd", output_shape=(None, 4), bias_axes="d", name="product")(x)
    return Model(ids, layers.Dense(2, use_bias=False, name="scores")(x), name="products")


def cases():
    yield Quantized("int8", "int8: every layer with whole numbers for weights", words)
    yield Quantized("float8", "float8: products, and what training remembers of them", products)
