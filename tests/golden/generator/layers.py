"""Every option of the layers, each under every kind of padding.

A case gathers related options as the outputs of one model: a file costs more bytes than a layer.
Sizes all differ (batch 5, time 4, features 3, units 2), so that axes can't be mistaken.
"""

import numpy as np
from keras import Input, Model, layers, ops

from .record import Case

VOCABULARY = 7
STEPS = 4
FEATURES = 3
UNITS = 2

IDS = np.array(
    [
        [1, 2, 3, 4],  # nothing padded
        [5, 6, 0, 0],  # padded on the right
        [2, 0, 0, 3],  # a gap
        [0, 4, 0, 5],  # the first step masked
        [0, 0, 0, 0],  # nothing but padding
    ],
    "int32",
)
OTHER_IDS = np.array([[3, 0, 0], [1, 2, 3], [0, 0, 0], [0, 5, 0], [6, 0, 1]], "int32")


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


X = numbers(len(IDS), STEPS, FEATURES)


def ids_input(name="ids", length=STEPS, dtype="int32"):
    return Input((length,), dtype=dtype, name=name)


def x_input(name="x", length=STEPS):
    return Input((length, FEATURES), name=name)


def embed(ids, mask_zero=True):
    return layers.Embedding(VOCABULARY, FEATURES, mask_zero=mask_zero)(ids)


def masked_case(name, title, build, length=STEPS, data=IDS, **options):
    """A case whose outputs `build` makes out of an embedded sentence, mask and all."""
    ids = ids_input(length=length)
    return Case(name, title, Model(ids, build(embed(ids))), {"ids": data}, **options)


def unmasked_case(name, title, build, **options):
    """A case whose outputs `build` makes out of numbers without a mask."""
    x = x_input()
    return Case(name, title, Model(x, build(x)), {"x": X}, **options)


# Recurrent layers ---------------------------------------------------------------------------------

RECURRENT = {
    "simple-rnn": (layers.SimpleRNN, {}, 1),
    "lstm": (layers.LSTM, {}, 2),
    "gru": (layers.GRU, {}, 1),
    "gru-reset-before": (layers.GRU, {"reset_after": False}, 1),
}


def recurrent_cases(kind):
    """Every option of one kind of recurrent layer.

    The two GRUs differ inside a step only, so the second leaves out what concerns the order of steps.
    """
    layer_class, fixed, state_count = RECURRENT[kind]
    gates = {} if layer_class is layers.SimpleRNN else {"recurrent_activation": "hard_sigmoid"}

    def rnn(**options):
        return layer_class(UNITS, **fixed, **options)

    def outputs(x):
        return [
            rnn()(x),
            rnn(return_sequences=True)(x),
            *rnn(return_state=True)(x),
        ]

    def directions(x):
        return [
            rnn(go_backwards=True)(x),
            *rnn(go_backwards=True, return_sequences=True, return_state=True)(x),
        ]

    def zero_output(x):
        return [
            rnn(zero_output_for_mask=True)(x),
            rnn(zero_output_for_mask=True, return_sequences=True)(x),
            rnn(zero_output_for_mask=True, return_sequences=True, go_backwards=True)(x),
        ]

    def arithmetic(x):
        return [
            rnn(use_bias=False, return_sequences=True)(x),
            rnn(activation="relu", return_sequences=True, **gates)(x),
        ]

    def unmasked(x):
        return [rnn()(x), *rnn(go_backwards=True, return_sequences=True, return_state=True)(x)]

    yield masked_case(f"{kind}-outputs", f"{kind}: last output, sequence, states", outputs)
    yield masked_case(f"{kind}-arithmetic", f"{kind}: no bias; other activations", arithmetic)
    yield unmasked_case(f"{kind}-unmasked", f"{kind}: no mask", unmasked)
    if kind == "gru-reset-before":
        return
    yield masked_case(f"{kind}-backwards", f"{kind}: go_backwards", directions)
    yield masked_case(f"{kind}-zero-output", f"{kind}: zero_output_for_mask", zero_output)
    yield masked_case(
        f"{kind}-batch-of-one",
        f"{kind}: one sentence, its length known only when it comes",
        lambda x: rnn(return_sequences=True)(x),
        length=None,
        data=np.array([[1, 0, 2, 0, 0]], "int32"),
    )
    yield initial_state_case(kind, rnn, state_count)


def initial_state_case(kind, rnn, state_count):
    """Given states are a second tensor argument: Keras fills in no mask then, unless told which."""
    ids = ids_input()
    x = embed(ids)
    states = [Input((UNITS,), name=f"state_{i}") for i in range(state_count)]
    plain = rnn(return_sequences=True, return_state=True)
    outputs = [
        rnn()(x, initial_state=states),
        *plain(x, initial_state=states),
        *plain(x, initial_state=states, mask=ops.not_equal(ids, 0)),
        *plain(without_mask(x), initial_state=states),
    ]
    inputs = {"ids": IDS}
    for i, state in enumerate(states):
        inputs[state.name] = numbers(len(IDS), UNITS, seed=10 + i)
    title = f"{kind}: initial_state, with no mask filled in, with one given, with none there"
    return Case(f"{kind}-initial-state", title, Model([ids, *states], outputs), inputs)


def without_mask(x):
    """The numbers of `x` without its mask: an operation that isn't a layer keeps none."""
    return ops.multiply(x, 0.5)


def encoder_decoder():
    source, target = ids_input("source"), ids_input("target", length=3)
    _, *states = layers.LSTM(UNITS, return_state=True, name="encoder")(embed(source))
    decoded = layers.LSTM(UNITS, return_sequences=True, name="decoder")(
        embed(target), initial_state=states
    )
    answer = layers.Dense(VOCABULARY, activation="softmax")(decoded)
    return Case(
        "encoder-decoder",
        "the states of one LSTM start another",
        Model([source, target], answer),
        {"source": IDS, "target": OTHER_IDS},
    )


def unrolled(x):
    return [
        layers.SimpleRNN(UNITS, unroll=True, return_sequences=True)(x),
        layers.LSTM(UNITS, unroll=True)(x),
        layers.GRU(UNITS, unroll=True, return_sequences=True, go_backwards=True)(x),
        layers.GRU(UNITS, unroll=True, return_sequences=True, zero_output_for_mask=True)(x),
    ]


def unrolled_zero_backwards(x):
    return layers.GRU(
        UNITS, unroll=True, return_sequences=True, zero_output_for_mask=True, go_backwards=True
    )(x)


# Wrappers -----------------------------------------------------------------------------------------


def both_ways(layer, **options):
    return layers.Bidirectional(layer, **options)


def bidirectional_sequences(x):
    outputs = []
    for mode in ("concat", "sum", "ave", "mul", None):
        merged = both_ways(layers.LSTM(UNITS, return_sequences=True), merge_mode=mode)(x)
        outputs.extend(merged if mode is None else [merged])
    return outputs


def bidirectional_last(x):
    return [
        both_ways(layers.LSTM(UNITS))(x),
        both_ways(layers.GRU(UNITS, reset_after=False), merge_mode="mul")(x),
        *both_ways(layers.SimpleRNN(UNITS), merge_mode=None)(x),
    ]


def bidirectional_kinds(x):
    return [
        both_ways(layers.GRU(UNITS, return_sequences=True))(x),
        both_ways(layers.SimpleRNN(UNITS, return_sequences=True), merge_mode="sum")(x),
    ]


def bidirectional_states(x):
    return [
        *both_ways(layers.LSTM(UNITS, return_sequences=True, return_state=True))(x),
        *both_ways(layers.GRU(UNITS, return_state=True), merge_mode="ave")(x),
        *both_ways(layers.GRU(UNITS, return_state=True), merge_mode=None)(x),
    ]


def bidirectional_backward_layer(x):
    return [
        both_ways(
            layers.LSTM(UNITS, return_sequences=sequences),
            backward_layer=layers.GRU(
                UNITS + 1, activation="relu", go_backwards=True, return_sequences=sequences
            ),
        )(x)
        for sequences in (True, False)
    ]


def bidirectional_stacked(x):
    x = both_ways(layers.LSTM(UNITS, return_sequences=True))(x)
    return layers.Dense(1, activation="sigmoid")(both_ways(layers.LSTM(UNITS))(x))


def time_distributed(x):
    dense = layers.TimeDistributed(layers.Dense(UNITS, activation="tanh"))(x)
    normalised = layers.TimeDistributed(layers.LayerNormalization())(x)
    return [dense, normalised, layers.GlobalAveragePooling1D()(dense), layers.LSTM(UNITS)(dense)]


# Layers that work on each step --------------------------------------------------------------------

# All that Keras has but `threshold`: it can't be called without arguments, so not by its name.
ACTIVATIONS = (
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear"
    " log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus"
    " softsign sparse_plus sparse_sigmoid sparsemax squareplus tanh tanh_shrink"
).split()


def dense_on(shape, name):
    """Dense on inputs of one rank, with and without bias and activation."""
    x = Input(shape, name="x")
    outputs = [
        layers.Dense(UNITS)(x),
        layers.Dense(UNITS, use_bias=False)(x),
        layers.Dense(UNITS, activation="relu")(x),
        layers.Dense(UNITS, activation="softmax")(x),
    ]
    rank = len(shape) + 1
    data = {"x": numbers(2, *shape, seed=rank)}
    return Case(name, f"Dense on rank {rank}", Model(x, outputs), data)


def dense_masked(x):
    x = layers.Dense(UNITS, activation="tanh")(x)
    return [x, layers.Dense(1)(layers.LSTM(UNITS)(x))]


def activations():
    x = Input((16,), name="x")
    outputs = [layers.Activation(name, name=name)(x) for name in ACTIVATIONS]
    data = np.linspace(-8.0, 8.0, 32).reshape(2, 16).astype("float32")
    data[1, :3] = [0.0, -0.5, 0.5]
    return Case("activations", "every built-in activation", Model(x, outputs), {"x": data})


def activations_masked(x):
    return [layers.Activation(name)(x) for name in ("softmax", "log_softmax", "relu", "tanh")]


def dropouts(x):
    names = "Dropout SpatialDropout1D GaussianDropout GaussianNoise AlphaDropout".split()
    outputs = [getattr(layers, name)(0.3)(x) for name in names]
    for output in outputs[:]:
        outputs.append(layers.GlobalAveragePooling1D()(output))
    return outputs


def layer_normalizations(x):
    return [
        layers.LayerNormalization()(x),
        layers.LayerNormalization(axis=[1, 2])(x),
        layers.LayerNormalization(axis=1)(x),
        layers.LayerNormalization(scale=False)(x),
        layers.LayerNormalization(center=False, epsilon=0.1)(x),
        layers.LayerNormalization(center=False, scale=False)(x),
        layers.LSTM(UNITS)(layers.LayerNormalization()(x)),
    ]


def poolings(x):
    return [
        layers.GlobalAveragePooling1D()(x),
        layers.GlobalAveragePooling1D(keepdims=True)(x),
    ]


def poolings_unmasked(x):
    return [*poolings(x), layers.GlobalAveragePooling1D(data_format="channels_first")(x)]


def flatten_ranks():
    scalar = Input((), name="scalar")
    vector = Input((3,), name="vector")
    matrix = Input((3, 2), name="matrix")
    cube = Input((3, 2, 4), name="cube")
    outputs = [layers.Flatten()(x) for x in (scalar, vector, matrix, cube)]
    outputs.append(layers.Flatten(data_format="channels_first")(cube))
    data = {
        "scalar": numbers(2, seed=1),
        "vector": numbers(2, 3, seed=2),
        "matrix": numbers(2, 3, 2, seed=3),
        "cube": numbers(2, 3, 2, 4, seed=4),
    }
    model = Model([scalar, vector, matrix, cube], outputs)
    return Case("flatten-ranks", "Flatten on ranks 1 to 4", model, data)


def maskings():
    x = x_input()
    outputs = []
    for value in (0.0, -1.0, 2.5):
        masked = layers.Masking(value)(x)
        outputs += [masked, layers.SimpleRNN(UNITS)(masked)]
    data = X.copy()
    data[0, 1:] = 0.0
    data[1, 2] = -1.0
    data[2, [0, 3]] = 2.5
    data[3, 1, 1] = 0.0  # one zero among others masks nothing
    data[4] = [-0.0, 0.0, 0.0]  # both zeros equal 0
    return Case("masking-values", "Masking of several values", Model(x, outputs), {"x": data})


def masking_twice(x):
    """A second Masking replaces the mask there was."""
    masked = layers.Masking(0.0)(layers.Activation("relu")(x))
    return [masked, layers.GlobalAveragePooling1D()(masked)]


def embedding_ids():
    """Ids of other types; a fraction isn't 0 for the mask, and is for the table."""
    embedding = layers.Embedding(VOCABULARY, FEATURES, mask_zero=True)
    inputs, outputs, tensors = {}, [], []
    for dtype in ("int32", "int64", "uint8", "float32"):
        ids = ids_input(dtype, dtype=dtype)
        tensors.append(ids)
        embedded = embedding(ids)
        outputs += [embedded, layers.GlobalAveragePooling1D()(embedded)]
        inputs[dtype] = IDS.astype(dtype)
    inputs["float32"] = inputs["float32"] + np.float32(0.5) * (IDS > 3)
    inputs["float32"][4, 1] = 0.5
    return Case("embedding-ids", "ids of several types", Model(tensors, outputs), inputs)


def embedding_unmasked():
    ids = ids_input()
    x = embed(ids, mask_zero=False)
    outputs = [x, layers.LSTM(UNITS)(x), layers.GlobalAveragePooling1D()(x)]
    return Case("embedding-without-mask", "mask_zero=False", Model(ids, outputs), {"ids": IDS})


# Merging ------------------------------------------------------------------------------------------


def merge_case(name, title, merge, second):
    """Merge an embedded sentence with a second one: as `second` says, masked or not, as long or not."""
    ids = ids_input()
    embedding = layers.Embedding(VOCABULARY, FEATURES, mask_zero=True)
    if second == "unmasked":
        other, data = x_input(), {"x": X}
        embedded = other
    else:
        length = OTHER_IDS.shape[1] if second == "shorter" else STEPS
        other = ids_input("other", length=length)
        data = {"other": OTHER_IDS if second == "shorter" else IDS[::-1].copy()}
        embedded = embedding(other)
    merged = merge([embedding(ids), embedded])
    outputs = [merged, layers.LSTM(UNITS)(merged), layers.GlobalAveragePooling1D()(merged)]
    return Case(name, title, Model([ids, other], outputs), {"ids": IDS, **data})


def merge_cases():
    for name, title, merge, second in (
        ("add-masked", "Add: the masks are ORed", layers.Add, "masked"),
        ("add-half-masked", "Add: one input has no mask, so none is left", layers.Add, "unmasked"),
        ("concat-features-masked", "Concatenate features: ORed", layers.Concatenate, "masked"),
        (
            "concat-features-half-masked",
            "Concatenate features: no mask counts as all valid",
            layers.Concatenate,
            "unmasked",
        ),
    ):
        yield merge_case(name, title, merge(), second)
    along_time = "Concatenate along time: the masks one after the other"
    for second in ("masked", "shorter", "unmasked"):
        yield merge_case(
            f"concat-time-{second}", f"{along_time} ({second})", layers.Concatenate(axis=1), second
        )
    for second in ("masked", "unmasked"):
        yield arithmetic_merge_case(second)


def arithmetic_merge_case(second):
    """Subtract, Average, Multiply, Maximum, Minimum; and a gate of fewer axes."""
    first_ids, second_ids = ids_input(), ids_input("more_ids")
    x, y = embed(first_ids), embed(second_ids, mask_zero=second == "masked")
    gate = Input((FEATURES,), name="gate")
    kinds = (layers.Subtract, layers.Average, layers.Multiply, layers.Maximum, layers.Minimum)
    outputs = [kind()([x, y]) for kind in kinds]
    outputs += [layers.Multiply()([x, y, x]), layers.Maximum()([x, y, x])]
    outputs.append(layers.Multiply()([x, gate]))
    inputs = {"ids": IDS, "more_ids": IDS[::-1].copy(), "gate": numbers(len(IDS), FEATURES)}
    title = f"Subtract, Average, Multiply, Maximum, Minimum (second: {second})"
    model = Model([first_ids, second_ids, gate], outputs)
    return Case(f"merge-arithmetic-{second}", title, model, inputs)


# Activations and normalizations with settings of their own ----------------------------------------


def rectifiers(x):
    return [
        layers.ReLU()(x),
        layers.ReLU(max_value=0.5, negative_slope=0.1, threshold=0.1)(x),
        layers.LeakyReLU(negative_slope=0.2)(x),
        layers.ELU(alpha=0.5)(x),
        layers.PReLU(alpha_initializer="random_normal")(x),
        layers.PReLU(alpha_initializer="random_normal", shared_axes=[1])(x),
    ]


def softmaxes(x):
    return [layers.Softmax()(x), layers.Softmax(axis=1)(x), layers.Softmax(axis=[1, 2])(x)]


def softmax_masked():
    ids = ids_input()
    x = Input((STEPS,), name="x")
    y = layers.Softmax()(x, mask=ops.not_equal(ids, 0))
    title = "Softmax: what is masked gets nothing, even where all is"
    return Case("softmax-masked", title, Model([ids, x], y), {"ids": IDS, "x": X[:, :, 0]})


def normalizations(x):
    random = {"gamma_initializer": "random_normal", "beta_initializer": "random_normal"}
    moving = {"moving_mean_initializer": "random_normal", "moving_variance_initializer": "ones"}
    return [
        layers.UnitNormalization()(x),
        layers.UnitNormalization(axis=1)(x),
        layers.RMSNormalization()(x),
        layers.GroupNormalization(groups=3, **random)(x),
        layers.GroupNormalization(groups=-1, scale=False)(x),
        layers.BatchNormalization(**random, **moving)(x),
        layers.BatchNormalization(axis=1, epsilon=0.01, center=False, scale=False, **moving)(x),
        layers.SpectralNormalization(layers.Dense(UNITS))(x),
        layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 0.5])(x),
        layers.Normalization(axis=None, mean=0.3, variance=2.0, invert=True)(x),
        layers.Rescaling(0.5, offset=-1.0)(x),
        layers.ActivityRegularization(l1=0.1)(x),
    ]


# Graphs -------------------------------------------------------------------------------------------


def shared_layers():
    ids, other = ids_input(), ids_input("other", length=3)
    embedding = layers.Embedding(VOCABULARY, FEATURES, mask_zero=True)
    gru = layers.GRU(UNITS)
    dense = layers.Dense(1)
    x = x_input()
    states = [gru(embedding(ids)), gru(embedding(other)), gru(x)]
    outputs = [*states, dense(states[0]), dense(states[1])]
    return Case(
        "shared-layers",
        "one Embedding, GRU and Dense called several times, with masks and without",
        Model([ids, other, x], outputs),
        {"ids": IDS, "other": OTHER_IDS, "x": X},
    )


def dict_inputs_and_outputs():
    question, answer = ids_input("question"), ids_input("answer", length=3)
    states = [layers.LSTM(UNITS)(embed(ids)) for ids in (question, answer)]
    both = layers.Concatenate()(states)
    model = Model(
        {"question": question, "answer": answer},
        {
            "similar": layers.Dense(1, activation="sigmoid", name="similar")(both),
            "kind": layers.Dense(3, activation="softmax", name="kind")(both),
        },
    )
    title = "inputs and outputs by name; outputs come in the order of their sorted names"
    return Case("dicts", title, model, {"question": IDS, "answer": OTHER_IDS})


def list_inputs_and_outputs():
    ids, x = ids_input(), x_input()
    embedded = embed(ids)
    sequence = layers.GRU(UNITS, return_sequences=True)(embedded)
    last = layers.LSTM(UNITS)(layers.Concatenate()([embedded, x]))
    model = Model([x, ids], [last, sequence, embedded])
    title = "several inputs and outputs, inner tensors among the outputs"
    return Case("lists", title, model, {"ids": IDS, "x": X})


def unknown_time():
    ids = ids_input(length=None)
    x = embed(ids)
    sequence = layers.LSTM(UNITS, return_sequences=True)(x)
    outputs = [
        sequence,
        layers.GlobalAveragePooling1D()(sequence),
        both_ways(layers.GRU(UNITS))(x),
        layers.Dense(1)(layers.LayerNormalization()(sequence)),
    ]
    title = "the time axis is known only at run time"
    data = np.concatenate([IDS, np.zeros((len(IDS), 2), "int32")], axis=1)
    return Case("unknown-time", title, Model(ids, outputs), {"ids": data})


# Explicit masks -----------------------------------------------------------------------------------


def mask_by_operations():
    ids = ids_input()
    x = embed(ids, mask_zero=False)
    words = ops.not_equal(ids, 0)
    rare = ops.not_equal(ids, 2)
    both, either = ops.logical_and(words, rare), ops.logical_or(words, rare)
    outputs = [
        layers.LSTM(UNITS)(x, mask=words),
        layers.LSTM(UNITS, return_sequences=True)(x, mask=both),
        layers.GlobalAveragePooling1D()(x, mask=either),
        both_ways(layers.GRU(UNITS, return_sequences=True))(x, mask=both),
        both,
    ]
    title = "masks computed by not_equal, logical_and and logical_or"
    return Case("mask-by-operations", title, Model(ids, outputs), {"ids": IDS})


def mask_overrides():
    ids = ids_input()
    x = embed(ids)
    other = ops.not_equal(ids, 3)
    sequence = layers.LSTM(UNITS, return_sequences=True)(x, mask=other)
    outputs = [
        sequence,
        layers.GRU(UNITS)(sequence),
        layers.GlobalAveragePooling1D()(x, mask=other),
        layers.GRU(UNITS)(x),
    ]
    title = "a given mask wins over the one the tensor carries, and goes on from there"
    return Case("mask-overrides", title, Model(ids, outputs), {"ids": IDS})


def mask_as_input():
    x, mask = x_input(), Input((STEPS,), dtype="bool", name="mask")
    sequence = layers.GRU(UNITS, return_sequences=True)(x, mask=mask)
    outputs = [sequence, layers.LSTM(UNITS)(sequence)]
    title = "the mask is an input of its own"
    return Case("mask-as-input", title, Model([x, mask], outputs), {"x": X, "mask": IDS != 0})


def lost_masks(x):
    """Several layers that don't support masking: all of them are to be named."""
    flat = layers.Flatten(name="flat")(x)
    again = layers.Flatten(name="flat_again")(layers.Dense(UNITS)(x))
    return [layers.Dense(1)(flat), layers.Dense(1)(again)]


# Text ---------------------------------------------------------------------------------------------

WORDS = ["the", "cat", "sat", "on", "mat", "a", "it's", "Cat", "cat!", "the cat", "cat sat", "é"]
TEXTS = [
    ["The cat sat on the mat."],
    ["A CAT!  It's\ta cat\n(the cat!)"],
    ["É é, cat-sat: naïve…"],
    [""],
    ["dog dog dog"],
]
CHARACTERS = list("abcdet hsé.")


def text_case(name, title, variants, shape=(1,)):
    """One text, vectorized in several ways."""
    text = Input(shape, dtype="string", name="text")
    outputs = []
    for options in variants:
        options = {"vocabulary": WORDS, **options}
        outputs.append(layers.TextVectorization(**options)(text))
    data = TEXTS if shape else [row[0] for row in TEXTS]
    return Case(name, f"TextVectorization: {title}", Model(text, outputs), {"text": data})


def text_cases():
    lookup = {"output_mode": "tf_idf", "idf_weights": [0.5 + 0.1 * i for i in range(len(WORDS))]}
    yield text_case(
        "text-standardize",
        "every standardization",
        [
            {"standardize": how}
            for how in ("lower_and_strip_punctuation", "lower", "strip_punctuation", None)
        ],
    )
    yield text_case(
        "text-split",
        "by whitespace, by character, not at all",
        [
            {"split": "whitespace"},
            {"split": "character", "vocabulary": CHARACTERS},
            {"split": "character", "vocabulary": CHARACTERS, "output_sequence_length": 6},
            {"split": None, "vocabulary": ["the cat sat on the mat", "dog dog dog"]},
        ],
    )
    yield text_case(
        "text-ngrams", "pairs of words too", [{"ngrams": 2}, {"ngrams": (2,)}, {"ngrams": 3}]
    )
    yield text_case(
        "text-length",
        "padded or cut to a length, or as long as the longest",
        [{"output_sequence_length": 3}, {"output_sequence_length": 9}, {}],
    )
    yield text_case(
        "text-counts",
        "multi_hot, count and tf_idf",
        [
            {"output_mode": "multi_hot"},
            {"output_mode": "count"},
            lookup,
            {"output_mode": "count", "ngrams": 2},
            {"output_mode": "multi_hot", "max_tokens": 16, "pad_to_max_tokens": True},
        ],
    )
    yield text_case("text-scalar", "text of shape [B]", [{}, {"split": None}], shape=())
    yield text_adapted()


def text_adapted():
    """Learned vocabularies, stored in assets; ties are ordered by the bytes of the word."""
    corpus = [row[0] for row in TEXTS] + ["mat mat cat", "zebra apple éclair"]
    text = Input((1,), dtype="string", name="text")
    outputs = []
    for options in ({}, {"output_mode": "tf_idf"}, {"max_tokens": 6, "output_mode": "count"}):
        vectorize = layers.TextVectorization(**options)
        vectorize.adapt(corpus)
        outputs.append(vectorize(text))
    title = "TextVectorization: vocabularies and idf weights learned by adapt()"
    return Case("text-adapted", title, Model(text, outputs), {"text": TEXTS})


# Everything ---------------------------------------------------------------------------------------


def constants():
    """Arrays among the arguments of layers, and an input that nothing reads."""
    x, unread = x_input(), x_input("unread")
    causal = np.tril(np.ones((STEPS, STEPS), bool))
    attention = layers.MultiHeadAttention(2, 3)
    outputs = [
        attention(x, x, attention_mask=causal),
        attention(x, x, attention_mask=causal.T.astype("int32")),
        layers.Add()([x, np.ones((1, STEPS, FEATURES), "float32")]),
        layers.LSTM(UNITS)(x, mask=np.array(IDS != 0)),
    ]
    return Case("constants", "arrays among arguments, an input nobody reads", Model([x, unread], outputs), {"x": X, "unread": X})


def cases():
    """All of them, each made when it is asked for."""
    for kind in RECURRENT:
        yield from recurrent_cases(kind)
    yield encoder_decoder()
    yield constants()
    yield masked_case("rnn-unrolled", "unroll=True", unrolled)
    yield masked_case(
        "rnn-unrolled-zero-backwards",
        "unroll, go_backwards and zero_output_for_mask: Keras zeroes by the mask not reversed",
        unrolled_zero_backwards,
    )

    title = "Bidirectional: every merge_mode"
    yield masked_case("bidirectional-sequences", title, bidirectional_sequences)
    yield masked_case("bidirectional-last", "Bidirectional: last outputs", bidirectional_last)
    yield masked_case("bidirectional-kinds", "Bidirectional: GRU, SimpleRNN", bidirectional_kinds)
    yield masked_case("bidirectional-states", "Bidirectional: states", bidirectional_states)
    title = "Bidirectional: a backward layer of another class and size"
    yield masked_case("bidirectional-backward-layer", title, bidirectional_backward_layer)
    yield masked_case("bidirectional-stacked", "two Bidirectional LSTMs", bidirectional_stacked)
    yield unmasked_case("bidirectional-unmasked", "Bidirectional: no mask", bidirectional_kinds)

    yield masked_case("time-distributed", "TimeDistributed(Dense, LayerNormalization)", time_distributed)
    yield dense_on((5,), "dense-rank-2")
    yield dense_on((3, 5), "dense-rank-3")
    yield dense_on((4, 3, 5), "dense-rank-4")
    yield masked_case("dense-masked", "Dense carries the mask on", dense_masked)
    yield activations()
    yield masked_case("activations-masked", "Activation uses no mask", activations_masked)
    yield masked_case("rectifiers", "ReLU, LeakyReLU, ELU, PReLU", rectifiers)
    yield unmasked_case("softmaxes", "Softmax: one axis or several", softmaxes)
    yield softmax_masked()
    yield masked_case("normalizations", "layers that normalize or rescale, at inference", normalizations)
    yield unmasked_case("normalizations-unmasked", "normalization without a mask", normalizations)
    yield masked_case("dropouts", "the dropout family does nothing but train", dropouts)
    yield masked_case("layer-normalization", "LayerNormalization", layer_normalizations)
    yield masked_case("pooling", "GlobalAveragePooling1D: no valid step is 0 / 0", poolings)
    yield unmasked_case("pooling-unmasked", "GlobalAveragePooling1D: no mask", poolings_unmasked)
    yield flatten_ranks()
    yield masked_case("flatten-twice", "two layers destroy a mask", lost_masks)
    yield maskings()
    yield masked_case("masking-replaces", "Masking replaces the mask there was", masking_twice)
    yield embedding_ids()
    yield embedding_unmasked()

    yield from merge_cases()
    yield shared_layers()
    yield dict_inputs_and_outputs()
    yield list_inputs_and_outputs()
    yield unknown_time()
    yield mask_by_operations()
    yield mask_overrides()
    yield mask_as_input()
    yield from text_cases()

    title = "to_json() of a model: no weights, so masks only"
    yield masked_case("json-bidirectional", title, bidirectional_stacked, masks_only=True)
    yield masked_case("json-flatten", title, lost_masks, masks_only=True)
