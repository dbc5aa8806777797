"""Attention layers: every option, under every kind of padding."""

import numpy as np
from keras import Input, Model, layers

from .layers import FEATURES, IDS, OTHER_IDS, STEPS, embed, ids_input, masked_case, numbers, unmasked_case
from .record import Case

DIM = 2


def attend(**options):
    return layers.Attention(**options)


def additive(**options):
    return layers.AdditiveAttention(**options)


def luong(x):
    return [
        attend()([x, x]),
        *attend(use_scale=True, dropout=0.5)([x, x], return_attention_scores=True),
        *attend(score_mode="concat", use_scale=True)([x, x], use_causal_mask=True, return_attention_scores=True),
        attend(score_mode="concat")([x, x, x]),
        attend()([x, x], use_causal_mask=True),
    ]


def bahdanau(x):
    return [
        additive()([x, x]),
        *additive(use_scale=False)([x, x], return_attention_scores=True),
        *additive(dropout=0.3)([x, x], use_causal_mask=True, return_attention_scores=True),
    ]


def mha(heads=3, dim=DIM, **options):
    return layers.MultiHeadAttention(heads, dim, bias_initializer="glorot_uniform", **options)


def fused(x):
    """The fused path: a position that sees nothing gets the mean of all values."""
    return [
        mha()(x, x),
        mha(use_bias=False, value_dim=5)(x, x, use_causal_mask=True),
        mha(sliding_window=2, output_shape=4)(x, x),
        mha(use_gate=True, output_shape=(2, 4))(x, x),
    ]


def explicit(x):
    """The explicit path: a position that sees nothing gets nothing."""
    return [
        mha(dropout=0.1)(x, x),
        mha(dropout=0.1, value_dim=5)(x, x, use_causal_mask=True),
        mha(dropout=0.1, sliding_window=2, use_gate=True)(x, x),
    ]


def scores(x):
    """What each position gives to each other one."""
    return [
        *mha(value_dim=5)(x, x, return_attention_scores=True),
        *gqa()(x, x, return_attention_scores=True),
    ]


def gqa(queries=4, values=2, **options):
    return layers.GroupQueryAttention(
        head_dim=DIM, num_query_heads=queries, num_key_value_heads=values, bias_initializer="glorot_uniform", **options
    )


def grouped(x):
    return [
        gqa()(x, x),
        gqa(values=1, use_gate=True)(x, x, use_causal_mask=True),
        gqa(values=4, use_bias=False, sliding_window=2)(x, x),
        gqa(dropout=0.1)(x, x, use_causal_mask=True),
    ]


def several_axes(x):
    """Attention along one or both of two axes of time."""
    x = layers.Reshape((2, 2, FEATURES))(x)
    y = layers.Concatenate(axis=2)([x, x])
    return [
        mha()(x, y),
        *mha(attention_axes=(2,))(x, y, return_attention_scores=True),
        mha(attention_axes=(1, 2))(y, x, key=x),
    ]


def crossed(name, title, build, **options):
    """Two sentences, padded in different ways."""
    ids, others = ids_input(), ids_input("others", OTHER_IDS.shape[1])
    outputs = build(embed(ids), embed(others))
    return Case(name, title, Model([ids, others], outputs), {"ids": IDS, "others": OTHER_IDS}, **options)


def cross(x, y):
    """Each attention reads tensors of its own: MultiHeadAttention takes the masks off what it reads."""
    fresh = layers.Activation("tanh")
    return [
        attend()([x, y]),
        additive()([x, y, y]),
        gqa()(x, y),
        gqa(dropout=0.1)(y, x),
        mha()(fresh(x), fresh(y)),
        mha(dropout=0.1)(fresh(x), fresh(y), key=fresh(y)),
    ]


def by_hand():
    """Masks passed as arguments."""
    x, y = Input((STEPS, FEATURES), name="x"), Input((3, FEATURES), name="y")
    mx, my = Input((STEPS,), dtype="bool", name="mx"), Input((3,), dtype="bool", name="my")
    pairs = Input((STEPS, 3), dtype="bool", name="pairs")
    heads = Input((3, STEPS, 3), dtype="bool", name="heads")
    outputs = [
        attend()([x, y], mask=[mx, my]),
        attend()([x, y], mask=[None, my]),
        mha()(x, y, query_mask=mx, value_mask=my),
        mha()(x, y, key=y, key_mask=my),
        mha()(x, y, attention_mask=pairs),
        mha()(x, y, attention_mask=pairs, value_mask=my, use_causal_mask=True),
        mha(dropout=0.2)(x, y, attention_mask=heads),
        mha()(x, y, attention_mask=heads, use_causal_mask=True),
        gqa()(x, y, query_mask=mx, value_mask=my, attention_mask=pairs),
        gqa(dropout=0.1)(x, y, attention_mask=pairs),
    ]
    random = np.random.default_rng(5)
    mask = lambda *shape: random.random(shape) > 0.4
    data = {
        "x": numbers(len(IDS), STEPS, FEATURES),
        "y": numbers(len(IDS), 3, FEATURES, seed=1),
        "mx": mask(len(IDS), STEPS),
        "my": mask(len(IDS), 3),
        "pairs": mask(len(IDS), STEPS, 3),
        "heads": mask(len(IDS), 3, STEPS, 3),
    }
    return Model([x, y, mx, my, pairs, heads], outputs), data


def scores_by_hand():
    """The scores' masks, of masks passed as arguments and of where positions stand."""
    x, y = Input((STEPS, FEATURES), name="x"), Input((3, FEATURES), name="y")
    mx, my = Input((STEPS,), dtype="bool", name="mx"), Input((3,), dtype="int32", name="my")
    pairs = Input((STEPS, 3), dtype="bool", name="pairs")
    heads = Input((3, STEPS, 3), dtype="bool", name="heads")
    wide = Input((2, STEPS, FEATURES), name="wide")
    calls = [
        mha()(x, x, use_causal_mask=True, return_attention_scores=True),
        mha(sliding_window=2)(x, y, use_causal_mask=True, return_attention_scores=True),
        mha()(x, y, attention_mask=pairs, return_attention_scores=True),
        mha()(x, y, attention_mask=heads, return_attention_scores=True),
        mha()(x, y, key_mask=my, use_causal_mask=True, return_attention_scores=True),
        mha()(x, y, key=y, key_mask=my, attention_mask=pairs, return_attention_scores=True),
        mha(attention_axes=(2,))(wide, wide, attention_mask=mx[:, None, None, :], return_attention_scores=True),
        gqa(sliding_window=3)(x, y, query_mask=mx, value_mask=my, return_attention_scores=True),
        gqa()(x, y, return_attention_scores=True),
    ]
    random = np.random.default_rng(6)
    mask = lambda *shape: random.random(shape) > 0.4
    data = {
        "x": numbers(len(IDS), STEPS, FEATURES),
        "y": numbers(len(IDS), 3, FEATURES, seed=1),
        "mx": mask(len(IDS), STEPS),
        "my": mask(len(IDS), 3).astype("int32"),
        "pairs": mask(len(IDS), STEPS, 3),
        "heads": mask(len(IDS), 3, STEPS, 3),
        "wide": numbers(len(IDS), 2, STEPS, FEATURES, seed=2),
    }
    return Model([x, y, mx, my, pairs, heads, wide], [scores for _, scores in calls]), data


def encoder(x):
    """Two blocks of a transformer, normalized before and behind."""
    for _ in range(2):
        normal = layers.LayerNormalization()(x)
        x = layers.Add()([x, mha()(normal, normal)])
        hidden = layers.Dense(7, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(FEATURES)(hidden)])
    return [layers.LayerNormalization()(x), layers.GlobalAveragePooling1D()(x)]


def as_many_heads_as_steps(x):
    """One number for each head, and as many heads as steps: Keras adds the biases of the heads to the steps."""
    return [mha(heads=STEPS, dim=1)(x, x), layers.EinsumDense("abc,cde->abde", (STEPS, STEPS, 1), bias_axes="de")(x)]


def cases():
    yield masked_case("luong-masked", "Attention: scores, scales, causal", luong)
    yield unmasked_case("luong", "Attention without masks", luong)
    yield masked_case("bahdanau-masked", "AdditiveAttention: scales, causal", bahdanau)
    yield unmasked_case("bahdanau", "AdditiveAttention without masks", bahdanau)
    for name, build in (("fused", fused), ("explicit", explicit)):
        # One layer each, on a tensor of its own, because each takes the masks off what it reads.
        fresh = lambda x, build=build: build(layers.Activation("tanh")(x))
        yield masked_case(f"multi-head-{name}-masked", f"MultiHeadAttention, {name}, first of several on a mask", fresh)
        yield unmasked_case(f"multi-head-{name}", f"MultiHeadAttention, {name}, no masks", build)
    for name, options, call in (
        ("causal", {}, {"use_causal_mask": True}),
        ("window", {"sliding_window": 2}, {}),
        ("dropout", {"dropout": 0.1}, {}),
    ):
        one = lambda x, options=options, call=call: mha(**options)(x, x, **call)
        yield masked_case(f"multi-head-{name}-alone", f"MultiHeadAttention with a mask, {name}", one)
    yield masked_case("scores-masked", "scores of the multi-head layers, with a mask of their own", scores)
    yield unmasked_case("scores", "scores of the multi-head layers", scores)
    older = {f"{name}_dense": f"_{name}_dense" for name in ("query", "key", "value", "output")}
    yield unmasked_case("early-names", "weights of MultiHeadAttention as early 3.0 named them", lambda x: mha()(x, x), older_names=older)
    yield unmasked_case("multi-head-axes", "MultiHeadAttention along several axes", several_axes)
    yield masked_case("grouped-masked", "GroupQueryAttention: groups, gate, window, causal, scores", grouped)
    yield unmasked_case("grouped", "GroupQueryAttention without masks", grouped)
    yield crossed("cross", "attention from one sentence to another", cross)
    model, data = by_hand()
    yield Case("by-hand", "masks passed as arguments", model, data)
    model, data = scores_by_hand()
    yield Case("scores-by-hand", "masks of scores, of masks passed as arguments", model, data)
    yield masked_case("encoder", "two blocks of a transformer", encoder)
    one = np.array([[3]], "int32")
    short = lambda x: [attend()([x, x]), gqa()(x, x), mha()(x, x)]
    yield unmasked_case("heads-as-steps", "as many heads of one number as steps", as_many_heads_as_steps)
    yield masked_case("one-step", "one sentence of one step", short, length=None, data=one)
