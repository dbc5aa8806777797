"""Layers over time beyond the three usual ones: cells and stacks of them, ConvLSTM, the wrappers around them, states
that are kept. Masks have gaps, leading masked steps, and rows with nothing but padding."""

import numpy as np
from keras import Input, Model, layers, ops

from .layers import (
    IDS,
    STEPS,
    UNITS,
    VOCABULARY,
    embed,
    ids_input,
    masked_case,
    numbers,
    unmasked_case,
)
from .record import Case

MASK = IDS != 0


# Cells --------------------------------------------------------------------------------------------

CELLS = {
    "simple-rnn-cell": lambda **options: layers.SimpleRNNCell(UNITS, **options),
    "lstm-cell": lambda **options: layers.LSTMCell(UNITS, **options),
    "gru-cell": lambda **options: layers.GRUCell(UNITS, **options),
}


def cell_cases(kind):
    cell = CELLS[kind]

    def options(x):
        return [
            layers.RNN(cell())(x),
            *layers.RNN(cell(use_bias=False), return_sequences=True, return_state=True)(x),
            layers.RNN(cell(activation="relu"), go_backwards=True, return_sequences=True)(x),
            layers.RNN(cell(), zero_output_for_mask=True, return_sequences=True)(x),
            layers.RNN(cell(), unroll=True, zero_output_for_mask=True)(x),
        ]

    yield masked_case(f"rnn-{kind}", f"RNN over a {kind}: every option", options)


def stack(**options):
    """Three cells of different kinds and sizes; the middle one is of a class that comes twice."""
    cells = [
        layers.GRUCell(UNITS, reset_after=False),
        layers.LSTMCell(UNITS + 2, recurrent_activation="hard_sigmoid"),
        layers.GRUCell(UNITS + 1),
    ]
    return layers.RNN(cells, **options)


def nested_stack(**options):
    """Keras does not take a cell with several states in a stack within a stack."""
    inner = layers.StackedRNNCells([layers.SimpleRNNCell(3), layers.GRUCell(UNITS)])
    cells = [layers.LSTMCell(4), inner, layers.LSTMCell(UNITS + 1)]
    return layers.RNN(layers.StackedRNNCells(cells), **options)


def stacks(x):
    return [
        stack()(x),
        *stack(return_sequences=True, return_state=True)(x),
        stack(zero_output_for_mask=True, return_sequences=True)(x),
        *nested_stack(return_state=True)(x),
    ]


def stack_of_one(x):
    """With a mask Keras fails: the states of a stack of one lose their structure."""
    return layers.RNN([layers.LSTMCell(UNITS)], return_state=True, return_sequences=True)(x)


def stacks_backwards(x):
    return [
        stack(go_backwards=True)(x),
        *nested_stack(go_backwards=True, return_sequences=True, return_state=True)(x),
        stack(go_backwards=True, return_sequences=True, zero_output_for_mask=True)(x),
        stack(go_backwards=True, return_sequences=True, zero_output_for_mask=True, unroll=True)(x),
    ]


def stack_initial_state():
    """States come in the structure of the cells."""
    ids = ids_input()
    x = embed(ids)
    sizes = {"g": UNITS, "h": UNITS + 2, "c": UNITS + 2, "last": UNITS + 1}
    g, h, c, last = (Input((size,), name=name) for name, size in sizes.items())
    states = [g, [h, c], last]
    layer = stack(return_sequences=True, return_state=True)
    outputs = [
        *layer(x, initial_state=states),
        *layer(x, initial_state=states, mask=ops.not_equal(ids, 0)),
        stack(go_backwards=True)(x, initial_state=states, mask=ops.not_equal(ids, 0)),
    ]
    inputs = {"ids": IDS}
    for i, (name, size) in enumerate(sizes.items()):
        inputs[name] = numbers(len(IDS), size, seed=20 + i)
    title = "a stack of cells: initial_state, without a mask and with one"
    return Case("rnn-stack-initial-state", title, Model([ids, g, h, c, last], outputs), inputs)


def one_step(name, length, data, title):
    return masked_case(
        name, title, lambda x: [stack(return_sequences=True)(x), *nested_stack(return_state=True)(x)],
        length=length, data=np.array(data, "int32"),
    )


# ConvLSTM -----------------------------------------------------------------------------------------

SPACE = {1: (5,), 2: (4, 3), 3: (3, 2, 4)}
CONV_LSTM = {1: layers.ConvLSTM1D, 2: layers.ConvLSTM2D, 3: layers.ConvLSTM3D}


def conv_inputs(rank, channels):
    x = Input((STEPS, *SPACE[rank], channels), name="x")
    mask = Input((STEPS,), dtype="bool", name="mask")
    data = {"x": numbers(len(IDS), STEPS, *SPACE[rank], channels, seed=rank), "mask": MASK}
    return x, mask, data


def conv_lstm(rank):
    layer = CONV_LSTM[rank]
    x, mask, data = conv_inputs(rank, 3)
    outputs = [
        layer(UNITS, 2, padding="same")(x, mask=mask),
        *layer(UNITS, 2, return_sequences=True, return_state=True)(x, mask=mask),
        layer(UNITS, 2, strides=2, padding="same", return_sequences=True)(x),
        layer(UNITS, 1 if rank == 3 else 2, dilation_rate=2, go_backwards=True, return_sequences=True)(x, mask=mask),
    ]
    return Case(f"conv-lstm-{rank}d", f"ConvLSTM{rank}D", Model([x, mask], outputs), data)


def conv_lstm_options():
    x, mask, data = conv_inputs(1, 2)
    states = [Input((4, UNITS), name=f"state_{i}") for i in range(2)]
    layer = layers.ConvLSTM1D(UNITS, 2, return_sequences=True, return_state=True)
    gates = {"activation": "softmax", "recurrent_activation": "hard_sigmoid", "use_bias": False}
    outputs = [
        layers.ConvLSTM1D(UNITS, 3, **gates)(x, mask=mask),
        layers.ConvLSTM1D(UNITS, 3, unroll=True, zero_output_for_mask=True, return_sequences=True)(x, mask=mask),
        layers.ConvLSTM1D(
            UNITS, 3, unroll=True, zero_output_for_mask=True, go_backwards=True, return_sequences=True
        )(x, mask=mask),
        *layer(x, initial_state=states),
        *layer(x, initial_state=states, mask=mask),
    ]
    for i, state in enumerate(states):
        data[state.name] = numbers(len(IDS), 4, UNITS, seed=30 + i)
    model = Model([x, mask, *states], outputs)
    return Case("conv-lstm-options", "ConvLSTM1D: activations, unroll, initial_state", model, data)


def masks_of_parts():
    """A mask of more axes than batch and steps holds parts of the states while the others go on."""
    sizes = {"pixels": (3, 4), "rows": (3,), "columns": (1, 4), "units": (UNITS,)}
    masks = {name: Input((STEPS, *sizes[name]), dtype="bool", name=name) for name in sizes}
    frames, x = Input((STEPS, 3, 4, 2), name="frames"), Input((STEPS, 3), name="x")
    outputs = []

    def of(layer, mask, wrap=lambda layer: layer, **options):
        layer = layer(name=f"layer_{len(outputs)}", **options)
        result = wrap(layer)(x if mask == "units" else frames, mask=masks[mask])
        outputs.extend(result if isinstance(result, list) else [result])

    def conv(**options):
        return layers.ConvLSTM2D(UNITS, **options)

    all_of_it = {"return_sequences": True, "return_state": True}
    of(conv, "pixels", kernel_size=2, padding="same")
    of(conv, "pixels", kernel_size=2, padding="same", go_backwards=True, **all_of_it)
    of(conv, "pixels", kernel_size=2, padding="same", return_sequences=True, zero_output_for_mask=True)
    of(conv, "rows", kernel_size=(1, 2), return_sequences=True)
    of(conv, "columns", kernel_size=(2, 1), return_sequences=True)
    of(conv, "pixels", lambda layer: layers.Bidirectional(layer, name="both"), kernel_size=3, padding="same")
    of(layers.GRU, "units", units=UNITS, **all_of_it)
    of(layers.LSTM, "units", units=UNITS, go_backwards=True, zero_output_for_mask=True, **all_of_it)
    of(layers.SimpleRNN, "units", units=UNITS, return_sequences=True)
    of(layers.RNN, "units", cell=layers.GRUCell(UNITS, reset_after=False, name="cell"))
    random = np.random.default_rng(60)
    data = {name: random.random((len(IDS), STEPS, *sizes[name])) < 0.6 for name in sizes}
    data["pixels"][1, 2:] = False
    data["frames"] = numbers(len(IDS), STEPS, 3, 4, 2, seed=61)
    data["x"] = numbers(len(IDS), STEPS, 3, seed=62)
    model = Model([*masks.values(), frames, x], outputs, name="parts")
    return Case("masks-of-parts", "masks of parts of the states: ConvLSTM2D and the others", model, data)


# Embedding both ways, weights normalized ----------------------------------------------------------


def reversible_embeddings():
    ids = ids_input()
    plain = layers.ReversibleEmbedding(VOCABULARY, 3)
    tied = layers.ReversibleEmbedding(VOCABULARY, 3, mask_zero=True, logit_soft_cap=0.5)
    untied = layers.ReversibleEmbedding(VOCABULARY, 3, tie_weights=False, mask_zero=True)
    outputs = []
    for layer in (plain, tied, untied):
        x = layer(ids)
        outputs += [x, layers.LSTM(3)(x), layer(layers.GRU(3, return_sequences=True)(x), reverse=True)]
    model = Model(ids, outputs)
    return Case("reversible-embedding", "ReversibleEmbedding: tied or not, both ways", model, {"ids": IDS})


def spectral_normalizations():
    """What a layer inside gives is cast to the type that came in: a row of a table becomes integers."""
    x, ids = Input((6, 4), name="x"), ids_input()
    sn = layers.SpectralNormalization
    outputs = [
        sn(layers.Dense(UNITS, activation="tanh"))(x),
        sn(layers.Conv1D(UNITS, 3, padding="same"))(x),
        sn(layers.Conv1DTranspose(UNITS, 2, strides=2))(x),
        sn(layers.DepthwiseConv1D(2))(x),
        sn(layers.Embedding(VOCABULARY, 3))(ids),
    ]
    data = {"x": numbers(3, 6, 4, seed=60), "ids": IDS[:3]}
    model = Model([x, ids], outputs)
    return Case("spectral-normalizations", "SpectralNormalization of layers with a kernel", model, data)


# States that are kept ---------------------------------------------------------------------------


def stateful():
    """Called twice, a layer goes on where it was: with what came first by Keras' order of calls."""
    batch = len(IDS)
    x = Input(batch_shape=(batch, STEPS, 3), name="x")
    mask = Input(batch_shape=(batch, STEPS), dtype="bool", name="mask")
    start = Input(batch_shape=(batch, UNITS), name="start")
    shared = layers.LSTM(UNITS, stateful=True, return_sequences=True)
    begun = layers.GRU(UNITS, stateful=True)
    cells = stack(stateful=True, return_state=True)
    both = layers.Bidirectional(layers.SimpleRNN(UNITS, stateful=True), merge_mode="sum")
    outputs = [
        shared(x[:, :2], mask=mask[:, :2]),
        shared(x[:, 2:], mask=mask[:, 2:]),
        begun(x, initial_state=[start]),
        begun(x, mask=mask),
        *cells(x),
        *cells(x, mask=mask),
        both(x, mask=mask),
        both(x),
    ]
    data = {"x": numbers(batch, STEPS, 3, seed=70), "mask": MASK, "start": numbers(batch, UNITS, seed=71)}
    return Case("stateful", "stateful layers, each called twice", Model([x, mask, start], outputs), data)


def stateful_conv_lstm():
    batch = len(IDS)
    x = Input(batch_shape=(batch, STEPS, 5, 2), name="x")
    layer = layers.ConvLSTM1D(UNITS, 2, stateful=True, return_state=True)
    data = {"x": numbers(batch, STEPS, 5, 2, seed=72)}
    model = Model(x, [*layer(x), *layer(x)])
    return Case("stateful-conv-lstm", "a stateful ConvLSTM1D, called twice", model, data)


# Wrappers -----------------------------------------------------------------------------------------


def bidirectional_kinds(x):
    outputs = [
        layers.Bidirectional(stack(return_sequences=True), merge_mode=mode)(x)
        for mode in ("concat", "sum", "ave", "mul")
    ]
    return [
        *outputs,
        *layers.Bidirectional(nested_stack(return_state=True), merge_mode=None)(x),
        layers.Bidirectional(
            layers.RNN([layers.LSTMCell(3), layers.GRUCell(UNITS)], return_sequences=True, go_backwards=True),
            backward_layer=layers.SimpleRNN(UNITS, return_sequences=True, activation="relu"),
            merge_mode="sum",
        )(x),
        layers.Bidirectional(layers.RNN(layers.LSTMCell(UNITS), unroll=True, return_sequences=True))(x),
    ]


def bidirectional_initial_state():
    ids = ids_input()
    x = embed(ids)
    states = [Input((UNITS,), name=f"state_{i}") for i in range(4)]
    layer = layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True, return_state=True))
    outputs = [
        *layer(x, initial_state=states),
        *layer(x, initial_state=states, mask=ops.not_equal(ids, 0)),
        layers.Bidirectional(layers.GRU(UNITS), merge_mode="mul")(x, initial_state=states[:2]),
    ]
    inputs = {"ids": IDS}
    for i, state in enumerate(states):
        inputs[state.name] = numbers(len(IDS), UNITS, seed=40 + i)
    title = "Bidirectional: initial_state, half for each direction"
    return Case("bidirectional-initial-state", title, Model([ids, *states], outputs), inputs)


def bidirectional_conv_lstm():
    x, mask, data = conv_inputs(2, 2)
    outputs = [
        layers.Bidirectional(layers.ConvLSTM2D(UNITS, 2, return_sequences=True))(x, mask=mask),
        *layers.Bidirectional(layers.ConvLSTM2D(UNITS, 2, return_state=True), merge_mode="ave")(x, mask=mask),
    ]
    return Case("bidirectional-conv-lstm", "Bidirectional over ConvLSTM2D", Model([x, mask], outputs), data)


def time_distributed_kinds():
    """The mask over steps and words goes to the inner layer word by word; over sentences it stays as it is."""
    words = Input((STEPS, 3, 2), name="words")
    ids = Input((STEPS, 3), dtype="int32", name="ids")
    masked = layers.Masking()(words)
    image = Input((STEPS, 5, 4, 2), name="image")
    td = layers.TimeDistributed
    outputs = [
        td(layers.LSTM(UNITS))(masked),
        td(layers.GRU(UNITS, return_sequences=True, go_backwards=True))(masked),
        td(layers.Bidirectional(layers.SimpleRNN(UNITS)))(masked),
        td(layers.RNN([layers.GRUCell(3), layers.LSTMCell(UNITS)]))(masked),
        td(layers.GlobalAveragePooling1D())(masked),
        td(layers.Dense(UNITS))(masked),
        td(td(layers.Dense(UNITS)))(masked),
        td(layers.Masking())(words),
        td(layers.Embedding(VOCABULARY, 3, mask_zero=True))(ids),
        td(layers.LayerNormalization())(words),
        td(layers.BatchNormalization())(masked),
        td(layers.Conv2D(UNITS, 2))(image),
        td(layers.MaxPooling2D())(image),
        td(layers.Flatten())(image),
        td(layers.ConvLSTM1D(UNITS, 2))(image),
        layers.LSTM(UNITS)(td(layers.Dense(UNITS))(td(layers.LSTM(UNITS))(words))),
    ]
    data = {
        "words": numbers(3, STEPS, 3, 2, seed=50),
        "ids": np.arange(3 * STEPS * 3).reshape(3, STEPS, 3).astype("int32") % VOCABULARY,
        "image": numbers(3, STEPS, 5, 4, 2, seed=51),
    }
    data["words"][0, 1, 1:] = 0
    data["words"][1, 2] = 0
    data["words"][2, :, 0] = 0
    model = Model([words, ids, image], outputs)
    return Case("time-distributed-kinds", "TimeDistributed over layers of every kind", model, data)


def cases():
    for kind in CELLS:
        yield from cell_cases(kind)
    yield masked_case("rnn-stacks", "RNN over stacks of cells", stacks)
    yield masked_case("rnn-stacks-backwards", "stacks of cells, from the last step", stacks_backwards)
    yield unmasked_case("rnn-stacks-unmasked", "stacks of cells, no mask", stacks)
    yield unmasked_case("rnn-stack-of-one", "RNN over a list of one cell, no mask", stack_of_one)
    yield stack_initial_state()
    yield one_step("rnn-stacks-one-step", 1, [[3], [0]], "stacks of cells: one step, masked or not")
    yield one_step("rnn-stacks-batch-of-one", None, [[0, 2, 0, 5, 0]], "stacks of cells: one sentence")
    for rank in CONV_LSTM:
        yield conv_lstm(rank)
    yield conv_lstm_options()
    yield masks_of_parts()
    yield masked_case("bidirectional-cells", "Bidirectional over cells and stacks", bidirectional_kinds)
    yield bidirectional_initial_state()
    yield bidirectional_conv_lstm()
    yield time_distributed_kinds()
    yield reversible_embeddings()
    yield spectral_normalizations()
    yield stateful()
    yield stateful_conv_lstm()
