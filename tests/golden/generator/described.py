"""Models with custom layers as Keras saves them, and descriptions of these layers."""

import numpy as np
from keras import Model, layers

from . import described_layers as own
from . import described_own
from .layers import IDS, OTHER_IDS, STEPS, VOCABULARY, ids_input
from .own import FEATURES, LONG, embed, encoded
from .record import Case

# With a step in each example: rows that are padding alone are left out by packing, and Keras weighs them alike.
SOME = IDS[:4]
OTHER_SOME = np.where(OTHER_IDS[:4].any(1, keepdims=True), OTHER_IDS[:4], 2)

LAYERS = """\
masque 1 described

describe TransformerBlock {embed_dim = int, ff_dim = int, num_heads = int, rate = {default = 0.1, type = float}} body {
  layer %att = MultiHeadAttention {key_dim = $embed_dim, num_heads = $num_heads}
  layer %ffn/layers/dense = Dense {activation = relu, units = $ff_dim}
  layer %ffn/layers/dense_1 = Dense {units = $embed_dim}
  layer %layernorm1 = LayerNormalization {epsilon = 1e-6}
  layer %layernorm2 = LayerNormalization {epsilon = 1e-6}
  %inputs = Argument()
  %att = MultiHeadAttention(%inputs, %inputs)
  %attended = ops.Add(%inputs, %att)
  %layernorm1 = LayerNormalization(%attended)
  %ffn/layers/dense = Dense(%layernorm1)
  %ffn/layers/dense_1 = Dense(%ffn/layers/dense)
  %summed = ops.Add(%layernorm1, %ffn/layers/dense_1)
  %layernorm2 = LayerNormalization(%summed)
  return output_0 = %layernorm2
}

describe MaskedBlock {causal = {default = false, type = bool}, features = int, heads = int, inner = int} body {
  layer %norms/layer_normalization = LayerNormalization
  layer %norms/layer_normalization_1 = LayerNormalization
  layer %att = MultiHeadAttention {dropout = 0.1, key_dim = "$features // $heads", num_heads = $heads}
  layer %up = Dense {activation = gelu, units = $inner}
  layer %down = Dense {units = $features}
  %x = Argument()
  %norms/layer_normalization = LayerNormalization(%x)
  %att = MultiHeadAttention(%norms/layer_normalization, %norms/layer_normalization, use_causal_mask = $causal)
  %attended = ops.Add(%x, %att)
  %norms/layer_normalization_1 = LayerNormalization(%attended)
  %up = Dense(%norms/layer_normalization_1)
  %down = Dense(%up)
  %summed = ops.Add(%attended, %down)
  masks keep
  return output_0 = %summed
}

describe TokenAndPositionEmbedding {embed_dim = int, maxlen = int, vocab_size = int} body {
  layer %token_emb = Embedding {input_dim = $vocab_size, mask_zero = true, output_dim = $embed_dim}
  layer %pos_emb = Embedding {input_dim = $maxlen, output_dim = $embed_dim}
  %x = Argument()
  %ones = ops.OnesLike(%x)
  %count = ops.Cumsum(%ones) {axis = -1}
  %positions = ops.Subtract(%count, 1)
  %token_emb = Embedding(%x)
  %pos_emb = Embedding(%positions)
  %summed = ops.Add(%token_emb, %pos_emb)
  %mask = ops.NotEqual(%x, 0)
  masks %mask
  return output_0 = %summed
}

describe PositionalEncoding {d_model = int, position = any} body {
  %inputs = Argument()
  %first = ops.Sum(%inputs) {axis = -1, keepdims = true}
  %ones = ops.OnesLike(%first)
  %count = ops.Cumsum(%ones) {axis = 1}
  %positions = ops.Subtract(%count, 1)
  %exponents = ops.Linspace(0.0, "1 - 2 / $d_model") {num = "$d_model // 2"}
  %rates = ops.Power(1.0e-4, %exponents)
  %angles = ops.Multiply(%positions, %rates)
  %sines = ops.Sin(%angles)
  %cosines = ops.Cos(%angles)
  %table = ops.Concatenate([%sines, %cosines]) {axis = -1}
  %summed = ops.Add(%inputs, %table)
  masks keep
  return output_0 = %summed
}

describe AttentionLayer body {
  layer %W = ops.Weight {shape = [-1, 1]}
  layer %b = ops.Weight {shape = [1]}
  %x = Argument()
  %W = ops.Weight(%x)
  %b = ops.Weight()
  %mask = ops.MaskOf(%x)
  %product = ops.Matmul(%x, %W)
  %biased = ops.Add(%product, %b)
  %energy = ops.Tanh(%biased)
  %score = ops.Squeeze(%energy) {axis = -1}
  %masked = ops.Where(%mask, %score, -1e9)
  %weights = ops.Softmax(%masked) {axis = -1}
  %column = ops.ExpandDims(%weights) {axis = -1}
  %weighted = ops.Multiply(%x, %column)
  %context = ops.Sum(%weighted) {axis = 1}
  masks ends
  return output_0 = %context
}

describe PlainAttention body {
  layer %W = ops.Weight {shape = [-1, 1]}
  layer %b = ops.Weight {shape = [-2, 1]}
  %x = Argument()
  %W = ops.Weight(%x)
  %b = ops.Weight(%x)
  %product = ops.Dot(%x, %W)
  %biased = ops.Add(%product, %b)
  %energy = ops.Tanh(%biased)
  %weights = ops.Softmax(%energy) {axis = 1}
  %weighted = ops.Multiply(%x, %weights)
  %context = ops.Sum(%weighted) {axis = 1}
  return output_0 = %context
}

describe Bahdanau {units = int} body {
  layer %W1 = Dense {units = $units}
  layer %W2 = Dense {units = $units}
  layer %V = Dense {units = 1}
  %query = Argument()
  %values = Argument()
  %mask = ops.MaskOf(%values)
  %row = ops.ExpandDims(%query) {axis = 1}
  %W1 = Dense(%row)
  %W2 = Dense(%values)
  %summed = ops.Add(%W1, %W2)
  %energy = ops.Tanh(%summed)
  %V = Dense(%energy)
  %column = ops.ExpandDims(%mask) {axis = -1}
  %score = ops.Where(%column, %V, -1e9)
  %weights = ops.Softmax(%score) {axis = 1}
  %weighted = ops.Multiply(%weights, %values)
  %context = ops.Sum(%weighted) {axis = 1}
  %flat = ops.Squeeze(%weights) {axis = -1}
  return output_0 = %context, output_1 = %flat
}

describe Encoder {features = int, heads = int, inner = int} body {
  layer %one = MaskedBlock {features = $features, heads = $heads, inner = $inner}
  layer %two = MaskedBlock {features = $features, heads = $heads, inner = $inner}
  layer %scale = ops.Weight {shape = [$features]}
  %x = Argument()
  %one = MaskedBlock(%x)
  %two = MaskedBlock(%one)
  %scale = ops.Weight()
  %scaled = ops.Multiply(%two, %scale)
  masks keep
  return output_0 = %scaled
}

describe Shift body {
  %x = Argument()
  %mask = ops.MaskOf(%x)
  %rest = ops.GetItem(%x, [{class_name = __slice__, config = {}}, {class_name = __slice__, config = {start = 1}}])
  %valid = ops.GetItem(%mask, [{class_name = __slice__, config = {}}, {class_name = __slice__, config = {start = 1}}])
  masks %valid
  return output_0 = %rest
}
"""


def sentence(name, title, build, length=STEPS, data=IDS, mask_zero=True):
    ids = ids_input(length=length)
    return Case(name, title, Model(ids, build(embed(ids, mask_zero))), {"ids": data}, layers=LAYERS)


def classifier(length, data, name, block):
    ids = ids_input(length=length)
    x = own.TokenAndPositionEmbedding(9, VOCABULARY, FEATURES, name="embedding")(ids)
    x = block(x)
    x = layers.GlobalAveragePooling1D(name="pooling")(x)
    score = layers.Dense(2, activation="softmax", name="score")(x)
    return Case(name, "the text classifier of Keras' examples", Model(ids, score), {"ids": data}, layers=LAYERS)


def shared():
    left, right = ids_input("left"), ids_input("right", 3)
    embedding, block = layers.Embedding(VOCABULARY, FEATURES, mask_zero=True), own.MaskedBlock(FEATURES, 2, 8, name="block")
    pool = own.AttentionLayer(name="pool")
    outputs = layers.Dot(axes=1)([pool(block(embedding(left))), pool(block(embedding(right)))])
    return Case("shared", "custom layers called twice", Model([left, right], outputs), {"left": SOME, "right": OTHER_SOME}, layers=LAYERS)


def nested():
    inner_ids = ids_input("words")
    inner = Model(inner_ids, own.AttentionLayer(name="pool")(own.MaskedBlock(FEATURES, 2, 8, name="block")(embed(inner_ids))), name="reader")
    ids = ids_input()
    return Case("nested", "custom layers in a model in the model", Model(ids, layers.Dense(3)(inner(ids))), {"ids": SOME}, layers=LAYERS)


def read_again():
    """The attention inside the first block takes the mask off what it reads."""
    ids = ids_input()
    x = embed(ids)
    block = own.TransformerBlock(FEATURES, 2, 8, name="block")(x)
    return Case("read-again", "what a custom layer read is read again", Model(ids, [layers.LSTM(3)(block), layers.LSTM(2)(x)]), {"ids": IDS}, layers=LAYERS)


def cases():
    yield classifier(STEPS, IDS, "classifier", own.TransformerBlock(FEATURES, 2, 8, name="block"))
    yield classifier(None, LONG, "classifier-open", own.MaskedBlock(FEATURES, 2, 8, name="block"))
    yield sentence("causal", "a block that looks back only, under an LSTM", lambda x: layers.LSTM(3)(own.MaskedBlock(FEATURES, 3, 8, causal=True)(x)), None, LONG)
    yield sentence("positions", "sines and cosines", lambda x: layers.GRU(3)(own.PositionalEncoding(9, FEATURES)(x)))
    yield sentence("attention", "attention of free weights", lambda x: own.AttentionLayer()(layers.LSTM(4, return_sequences=True)(x)))
    yield sentence("attention-unmasked", "the same without a mask to look at", lambda x: own.AttentionLayer()(x), mask_zero=False)
    yield sentence("attention-plain", "attention that knows nothing of masks", lambda x: own.PlainAttention()(x))
    yield sentence("bahdanau", "additive attention with two arguments", lambda x: own.Bahdanau(4)(*encoded(x)))
    yield sentence("encoder", "custom layers in a custom layer", lambda x: layers.GlobalAveragePooling1D()(own.Encoder(FEATURES, 2, 8)(x)))
    yield sentence("shift", "a layer that shifts its mask", lambda x: layers.LSTM(3)(own.Shift()(x)))
    yield shared()
    yield nested()
    yield read_again()
    yield from described_own.cases()
