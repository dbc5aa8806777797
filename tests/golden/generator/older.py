"""Files as Keras 1 wrote them, and kernels as Theano trained them.

Neither runs any more. The files are written here in their form, from the weights of a model of Keras 3, which gives the
numbers: layers and settings under their names of then, a weight for every gate, kernels in the shapes of then.
"""

import json
from unittest import mock

import h5py
import numpy as np
from keras import Input, Model, layers, ops

from . import record
from .layers import IDS, STEPS, UNITS, VOCABULARY

FEATURES = 3


class Older(record.Case):
    """A case whose file is written by hand, and whose numbers a model of Keras 3 gives."""

    def __init__(self, name, title, twin, inputs, config, attributes, change):
        super().__init__(name, title, twin, inputs)
        self.config, self.attributes, self.change = config, attributes, change

    def write(self, folder):
        watched = record.run

        def store(case, folder):
            record.randomise(case.model, case.name)
            path = folder / "model.h5"
            with h5py.File(path, "w") as file:
                file.attrs["model_config"] = json.dumps(case.config).encode()
                for name, value in case.attributes.items():
                    file.attrs[name] = value.encode()
                write_weights(file.create_group("model_weights"), case)
            return path, case.model

        def run(model, inputs):
            recording = watched(model, inputs)
            return record.Recording(recording.outputs, masks=recording.masks)

        with mock.patch.object(record, "store", store), mock.patch.object(record, "run", run):
            return record.write(self, folder)


def write_weights(group, case):
    names, made = [], {layer.name: layer for layer in case.model.layers}
    listed = list(names_in(case.config["config"]))
    for layer in [made[name] for name in listed if name in made]:
        names.append(layer.name.encode())
        own = group.create_group(layer.name)
        weights = [np.array(weight) for weight in layer.weights if "seed" not in weight.path]
        stored = case.change(layer, weights)
        paths = [f"{layer.name}_{number}" for number in range(len(stored))]
        own.attrs["weight_names"] = [path.encode() for path in paths]
        for path, weight in zip(paths, stored):
            own[path] = weight
    group.attrs["layer_names"] = names


def names_in(config):
    """The names of the layers in a config, those of the models that a `Merge` joins first."""
    for entry in config["layers"] if isinstance(config, dict) else config:
        if "weights" in entry:
            yield entry["weights"]
            continue
        for branch in entry["config"].get("layers", []):
            yield from names_in(branch["config"])
        yield entry["config"]["name"]


def by_gate(weights, order):
    """A weight for every gate, in the order of then."""
    parts = [np.split(weight, len(order), axis=-1) for weight in weights]
    return [part[gate] for gate in order for part in parts]


def of_keras1(layer, weights):
    if isinstance(layer, layers.LSTM):
        return by_gate(weights, [0, 2, 1, 3])
    if isinstance(layer, layers.GRU):
        return by_gate(weights, [0, 1, 2])
    if isinstance(layer, layers.Conv1D):
        return [weights[0][:, None], weights[1]]
    if isinstance(layer, layers.Conv2DTranspose):
        order = (2, 3, 0, 1) if layer.name == "first" else (0, 1, 3, 2)
        return [weights[0].transpose(order), weights[1]]
    if isinstance(layer, layers.Conv2D):
        return [weights[0].transpose(3, 2, 0, 1), weights[1]]
    return weights


def old(class_name, name, reads, **config):
    nodes = [[[read, 0, 0] for read in reads]] if reads else []
    config = {"name": name, "trainable": True, **config}
    return {"class_name": class_name, "name": name, "config": config, "inbound_nodes": nodes}


TRAINING = {"init": "glorot_uniform", "W_regularizer": None, "b_regularizer": None, "W_constraint": None}
RECURRENT = TRAINING | {
    "inner_init": "orthogonal", "U_regularizer": None, "dropout_W": 0.0, "dropout_U": 0.0, "consume_less": "cpu",
    "go_backwards": False, "stateful": False, "unroll": False, "activation": "tanh", "input_length": None,
}


MERGE = {
    "mode_type": "raw", "concat_axis": -1, "dot_axes": -1, "output_shape": None, "output_shape_type": "raw",
    "output_mask": None, "output_mask_type": "raw", "arguments": {},
}


def sentences():
    ids = Input((STEPS,), dtype="int32", name="ids")
    words = layers.Embedding(VOCABULARY, FEATURES, mask_zero=True, name="words")(ids)
    lstm = layers.LSTM(UNITS, return_sequences=True, recurrent_activation="sigmoid", name="lstm")(words)
    gru = layers.GRU(UNITS + 1, reset_after=False, recurrent_activation="sigmoid", name="gru")(lstm)
    image = Input((5, 6, 2), name="image")
    conv = layers.Conv2D(4, (2, 3), activation="relu", name="filters")(image)
    signal = layers.Conv1D(5, 3, padding="same", name="signal")(layers.Reshape((5, 12), name="rows")(image))
    ends = layers.Concatenate(name="ends")([layers.Flatten(name="flat")(conv), layers.Flatten(name="line")(signal)])
    both = layers.Concatenate(name="both")([gru, ends])
    twin = Model([ids, image], layers.Dense(3, activation="softmax", name="dense")(both), name="sentences")
    numbers = np.random.default_rng(70)
    inputs = {"ids": IDS, "image": numbers.normal(size=(len(IDS), 5, 6, 2)).astype("float32")}
    merge = MERGE | {"mode": "concat"}
    listed = [
        old("InputLayer", "ids", [], batch_input_shape=[None, STEPS], input_dtype="int32", sparse=False),
        old("InputLayer", "image", [], batch_input_shape=[None, 5, 6, 2], input_dtype="float32", sparse=False),
        old("Embedding", "words", ["ids"], input_dim=VOCABULARY, output_dim=FEATURES, input_length=None, mask_zero=True,
            dropout=0.0, activity_regularizer=None, init="uniform", W_regularizer=None, W_constraint=None),
        old("LSTM", "lstm", ["words"], **RECURRENT, output_dim=UNITS, return_sequences=True,
            inner_activation="sigmoid", forget_bias_init="one", input_dim=FEATURES),
        old("GRU", "gru", ["lstm"], **RECURRENT, output_dim=UNITS + 1, return_sequences=False,
            inner_activation="sigmoid", input_dim=UNITS),
        old("Permute", "first", ["image"], dims=[3, 1, 2]),
        old("Convolution2D", "filters", ["first"], **TRAINING, nb_filter=4, nb_row=2, nb_col=3, activation="relu",
            border_mode="valid", subsample=[1, 1], dim_ordering="th", bias=True),
        old("Permute", "conv", ["filters"], dims=[2, 3, 1]),
        old("Reshape", "rows", ["image"], target_shape=[5, 12]),
        old("Convolution1D", "signal", ["rows"], **TRAINING, nb_filter=5, filter_length=3, border_mode="same",
            subsample_length=1, activation="linear", bias=True, input_dim=12, input_length=5),
        old("Flatten", "flat", ["conv"]),
        old("Flatten", "line", ["signal"]),
        old("Merge", "ends", ["flat", "line"], **merge),
        old("Merge", "both", ["gru", "ends"], **merge),
        old("Dense", "dense", ["both"], **TRAINING, output_dim=3, activation="softmax", bias=True, input_dim=None),
    ]
    config = {"class_name": "Model", "config": {
        "name": "sentences", "layers": listed, "input_layers": [["ids", 0, 0], ["image", 0, 0]],
        "output_layers": [["dense", 0, 0]],
    }}
    title = "Keras 1: gates apart, kernels with filters first, Merge"
    return Older("keras1", title, twin, inputs, config, {"keras_version": "1.2.2"}, of_keras1)


def theano():
    x = Input((5, 6, 2), name="x")
    y = layers.Conv2D(3, (2, 3), name="conv")(x)
    rows = layers.Reshape((4, 12), name="rows")(y)
    twin = Model(x, layers.Conv1D(2, 3, name="signal")(rows), name="turned")

    def turned(layer, weights):
        if "kernel_size" not in layer.get_config():
            return weights
        space = tuple(range(weights[0].ndim - 2))
        return [np.flip(weights[0], space), *weights[1:]]

    common = {"activation": "linear", "use_bias": True, "padding": "valid", "data_format": "channels_last"}
    listed = [
        old("InputLayer", "x", [], batch_input_shape=[None, 5, 6, 2], dtype="float32", sparse=False),
        old("Conv2D", "conv", ["x"], **common, filters=3, kernel_size=[2, 3], strides=[1, 1], dilation_rate=[1, 1]),
        old("Reshape", "rows", ["conv"], target_shape=[4, 12]),
        old("Conv1D", "signal", ["rows"], **common, filters=2, kernel_size=[3], strides=[1], dilation_rate=[1]),
    ]
    config = {"class_name": "Model", "config": {
        "name": "turned", "layers": listed, "input_layers": [["x", 0, 0]], "output_layers": [["signal", 0, 0]],
    }}
    numbers = np.random.default_rng(71)
    inputs = {"x": numbers.normal(size=(3, 5, 6, 2)).astype("float32")}
    attributes = {"keras_version": "2.0.8", "backend": "theano"}
    return Older("keras2-theano", "Keras 2 on Theano: kernels turned round", twin, inputs, config, attributes, turned)


def cosine(x, y):
    product = layers.Dot(-1)
    length = ops.sqrt(product([x, x]) * product([y, y]))
    return ops.expand_dims(product([x, y]) / ops.maximum(length, 1e-7), 1)


def branches():
    """A chain that begins with two others, one of which begins with two others itself."""
    ids, other, x = (Input(shape, dtype=dtype, name=name) for shape, dtype, name in BRANCHES)
    words = layers.Embedding(VOCABULARY, FEATURES, name="words")
    lstm = layers.LSTM(UNITS, recurrent_activation="sigmoid", name="lstm")(words(ids))
    gru = layers.GRU(UNITS, reset_after=False, recurrent_activation="sigmoid", name="gru")
    again = gru(layers.Embedding(VOCABULARY, FEATURES, name="more")(other))
    sides = layers.Dense(4, name="both")(layers.Multiply(name="product")([lstm, again]))
    joined = layers.Concatenate(name="all")([sides, layers.Dense(3, name="numbers")(x)])
    hidden = layers.Dense(UNITS, activation="relu", name="hidden")
    twin = Model([ids, other, x], layers.Dense(2, name="last")(hidden(joined)), name="branches")
    embedding = {"input_dim": VOCABULARY, "output_dim": FEATURES, "input_length": STEPS, "mask_zero": False,
                 "dropout": 0.0, "init": "uniform", "input_dtype": "int32", "batch_input_shape": [None, STEPS]}
    dense = TRAINING | {"activation": "linear", "bias": True}
    over = RECURRENT | {"return_sequences": False, "inner_activation": "sigmoid", "output_dim": UNITS}
    texts = [
        chain(entry("Embedding", "words", **embedding), entry("LSTM", "lstm", **over, forget_bias_init="one")),
        chain(entry("Embedding", "more", **embedding), entry("GRU", "gru", **over)),
    ]
    both = chain(
        entry("Merge", "product", **MERGE, mode="mul", layers=texts),
        entry("Dense", "both", **dense, output_dim=4, input_dim=None),
    )
    numbers = chain(entry("Dense", "numbers", **dense, output_dim=3, input_dim=2, batch_input_shape=[None, 2]))
    config = chain(
        entry("Merge", "all", **MERGE, mode="concat", layers=[both, numbers]),
        chain(entry("Dense", "hidden", **dense | {"activation": "relu"}, output_dim=UNITS, input_dim=7,
                    batch_input_shape=[None, 7]), weights="hidden"),
        entry("Dense", "last", **dense, output_dim=2, input_dim=None),
    )
    data = {"words_input": IDS, "more_input": IDS[::-1].copy(),
            "numbers_input": np.random.default_rng(72).normal(size=(len(IDS), 2)).astype("float32")}
    title = "Keras 1: a Sequential that begins with Merge"
    return Older("keras1-branches", title, twin, data, config, {"keras_version": "1.2.2"}, of_keras1)


BRANCHES = [((STEPS,), "int32", "words_input"), ((STEPS,), "int32", "more_input"), ((2,), "float32", "numbers_input")]


def entry(class_name, name, **config):
    return {"class_name": class_name, "config": {"name": name, "trainable": True, **config}}


def chain(*listed, weights=None):
    """A `Sequential`, whose own name was not written; `weights` is that of its group."""
    return {"class_name": "Sequential", "config": list(listed)} | ({"weights": weights} if weights else {})


def images():
    x, y = Input((4, 3, 2), name="x"), Input((2, 3), name="y")
    first = layers.Conv2DTranspose(3, (3, 2), strides=(2, 1), output_padding=(1, 0), name="first")(x)
    second = layers.Conv2DTranspose(2, (3, 3), strides=2, padding="same", output_padding=(0, 1), name="second")(x)
    alike = cosine(y, layers.Activation("tanh", name="tanh")(y))
    vectors = cosine(layers.Flatten(name="flat")(y), layers.Flatten(name="line")(y))
    twin = Model([x, y], [first, second, alike, vectors], name="images")
    conv = TRAINING | {"nb_filter": 3, "activation": "linear", "bias": True}
    listed = [
        old("InputLayer", "x", [], batch_input_shape=[None, 4, 3, 2], input_dtype="float32", sparse=False),
        old("InputLayer", "y", [], batch_input_shape=[None, 2, 3], input_dtype="float32", sparse=False),
        old("Permute", "turned", ["x"], dims=[3, 1, 2]),
        old("Deconvolution2D", "first", ["turned"], **conv, nb_row=3, nb_col=2, border_mode="valid",
            subsample=[2, 1], dim_ordering="th", output_shape=[None, 3, 10, 4]),
        old("Permute", "back", ["first"], dims=[2, 3, 1]),
        old("Deconvolution2D", "second", ["x"], **conv | {"nb_filter": 2}, nb_row=3, nb_col=3, border_mode="same",
            subsample=[2, 2], dim_ordering="tf", output_shape=[None, 7, 6, 2]),
        old("Activation", "tanh", ["y"], activation="tanh"),
        old("Merge", "alike", ["y", "tanh"], **MERGE, mode="cos"),
        old("Flatten", "flat", ["y"]),
        old("Flatten", "line", ["y"]),
        old("Merge", "vectors", ["flat", "line"], **MERGE | {"dot_axes": 1}, mode="cos"),
    ]
    config = {"class_name": "Model", "config": {
        "name": "images", "layers": listed, "input_layers": [["x", 0, 0], ["y", 0, 0]],
        "output_layers": [[name, 0, 0] for name in ("back", "second", "alike", "vectors")],
    }}
    numbers = np.random.default_rng(73)
    data = {"x": numbers.normal(size=(3, 4, 3, 2)).astype("float32"), "y": numbers.normal(size=(3, 2, 3)).astype("float32")}
    title = "Keras 1: transposed convolutions of a told shape, merges by cosine"
    return Older("keras1-images", title, twin, data, config, {"keras_version": "1.2.2"}, of_keras1)


def cases():
    yield sentences()
    yield theano()
    yield branches()
    yield images()
