"""The other forms of model files: those of Keras 2 (`tf_keras`), `.h5` of Keras 3, configs with weights beside.

A model of Keras 2 is run by Keras 2, whose rules of masks are others; what it does with a mask is
recorded here, since its layers are no layers of Keras 3.
"""

import json
import os
from dataclasses import dataclass
from unittest import mock

import h5py
import keras
import numpy as np
import tensorflow as tf

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import tf_keras  # noqa: E402
from tf_keras.src.saving.legacy import hdf5_format  # noqa: E402

from . import archive, record  # noqa: E402
from .layers import IDS, STEPS, UNITS, VOCABULARY, X  # noqa: E402

OTHER = IDS[::-1].copy()
K2 = tf_keras.layers
K3 = keras.layers
FEATURES = 3


@dataclass
class FileCase(record.Case):
    """A case whose file has another form than the usual one."""

    form: str = "model.h5"

    shards: float | None = None
    """The size of a shard of weights, in GB."""
    twin: keras.Model | None = None
    """The model that gives the numbers, if it is not the one in the file."""
    watched: bool = True
    """Note every call; a model with models inside is only asked for its outputs."""

    def write(self, folder):
        """As other cases, but for how the model is stored."""
        with mock.patch.object(record, "store", store):
            if self.watched:
                return record.write(self, folder)
            with mock.patch.object(record, "run", outputs_alone):
                return record.write(self, folder)


def outputs_alone(model, inputs):
    outputs = model(record.arguments(model, inputs, record.to_tensor), training=False)
    return record.Recording([np.asarray(output) for output in keras.tree.flatten(outputs)])


def store(case, folder):
    """Save a model of Keras 3 in the case's form, which Keras itself may be unable to read back."""
    record.randomise(case.model, case.weights_of or case.name)
    path = folder / case.form
    if case.form == "model.json":
        path.write_text(archive.canonical_config(case.model.to_json()))
        if case.shards:
            case.model.save_weights(folder / "model.weights.json", max_shard_size=case.shards)
        else:
            case.model.save_weights(folder / "model.weights.h5")
    else:
        case.model.save(path)
    if path.suffix == ".keras":
        archive.normalise(path)
    if case.finish:
        case.finish(path)
    if case.twin is None:
        return path, case.model
    case.twin.set_weights([np.asarray(weight).astype("float32") for weight in case.model.weights])
    return path, case.twin


# Keras 2 ------------------------------------------------------------------------------------------


def randomise2(case):
    """Weights that depend on the case's name only; positive, since some are variances."""
    rng = np.random.default_rng(len(case.name))
    weights = case.model.get_weights()
    case.model.set_weights([rng.uniform(0.1, 0.9, w.shape).astype(w.dtype) for w in weights])


@dataclass
class Keras2Case:
    """A model of Keras 2 and what to ask it."""

    name: str
    title: str
    model: tf_keras.Model
    inputs: dict
    form: str = "model.h5"
    prepare: object = randomise2
    """Gives the model its weights."""
    finish: object = None
    """Changes the file that was written."""

    def write(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        model = self.model
        self.prepare(self)
        path = folder / self.form
        if self.form == "model.json":
            path.write_text(model.to_json())
        else:
            model.save(path)
            if path.suffix == ".keras":
                members = archive.read_members(path)
                metadata = json.loads(members["metadata.json"])
                members["metadata.json"] = json.dumps(metadata | {"date_saved": archive.DATE_SAVED}).encode()
                archive.write_members(path, members)
        if self.finish:
            self.finish(path)
        outputs, calls, masks, destroyers = run(model, self.inputs)
        case = {
            "title": self.title,
            "keras_version": f"tf_keras {tf_keras.__version__}",
            "policy": "error" if destroyers else "warn",
            "expected_check": destroyers,
            "model": path.name,
            "tolerance": record.TOLERANCE,
            "tags": ["keras-2"],
        }
        if self.form == "model.json":
            case["mask_inference_only"] = True
        else:
            case["input"] = record.write_inputs(folder, self.inputs)
            np.savez(folder / "expected.npz", **{f"output_{i}": o for i, o in enumerate(outputs)})
            np.savez(folder / "masks.npz", **masks)
        (folder / "case.json").write_text(record.case_json(case | {"calls": calls}))


def run(model, inputs):
    """Call the model node by node, as Keras 2 itself does, and note every mask."""
    graph = model
    tensors = {id(t): tf.convert_to_tensor(inputs[t.node.layer.name]) for t in graph.inputs}
    calls, masks, destroyers = [], {}, []
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            layer = node.layer
            data = [tensors[id(t)] for t in tf.nest.flatten(node.call_args[:1]) if id(t) in tensors]
            args, kwargs = node.map_arguments({str(k): [v] * 99 for k, v in tensors.items()})
            explicit = kwargs.get("mask")
            result = layer(*args, **kwargs)
            for symbol, value in zip(tf.nest.flatten(node.outputs), tf.nest.flatten(result)):
                tensors[id(symbol)] = value
            note(graph, node, layer, data, explicit, result, calls, masks, destroyers)
    outputs = [tensors[id(t)].numpy() for t in tf.nest.flatten(graph.outputs)]
    return outputs, calls, masks, destroyers


# Classes that Keras 3 knows under another name.
TODAY = {"ThresholdedReLU": "ReLU"}


def mask_of(tensor):
    return getattr(tensor, "_keras_mask", None)


def note(graph, node, layer, data, explicit, result, calls, masks, destroyers):
    members = {id(n) for nodes in graph._nodes_by_depth.values() for n in nodes}
    position = [id(n) for n in layer._inbound_nodes if id(n) in members].index(id(node))
    outputs = tf.nest.flatten(result)
    mask_in = [mask_of(tensor) for tensor in data]
    if explicit is not None:
        mask_in[0] = explicit
    mask_out = [mask_of(output) for output in outputs]
    for i, mask in enumerate(mask_out):
        if mask is not None:
            key = f"{layer.name}:{position}" + (f":{i}" if len(outputs) > 1 else "")
            masks[key] = np.asarray(mask).astype(bool)
    # A function of TensorFlow is a layer to Keras 2 only.
    if "OpLambda" in type(layer).__name__:
        return
    went_in, came_out = record.present(mask_in), record.present(mask_out)
    if any(went_in) and not layer.supports_masking and not any(came_out):
        destroyers.append(layer.name)
    calls.append(
        {
            "layer": layer.name,
            "call": position,
            "class": TODAY.get(type(layer).__name__, type(layer).__name__),
            "is_layer": True,
            "mask_in": went_in,
            "mask_out": came_out,
            "symbolic_mask_in": went_in,
            "symbolic_mask_out": came_out,
            "status": status(layer, went_in, came_out),
        }
    )


def status(layer, went_in, came_out):
    if not any(went_in):
        return ["born"] if any(came_out) else ["none"]
    if any(came_out):
        return ["carried", "changed", "born"]
    return ["consumed"] if layer.supports_masking else ["dropped"]


def ids_input(name="ids", length=STEPS):
    return tf_keras.Input((length,), name=name, dtype="int32")


def embed(ids, mask_zero=True):
    return K2.Embedding(VOCABULARY, FEATURES, mask_zero=mask_zero)(ids)


def masked(name, title, build, **options):
    ids = ids_input()
    return Keras2Case(name, title, tf_keras.Model(ids, build(embed(ids))), {"ids": IDS}, **options)


def two_inputs(name, title, build, **options):
    ids, other = ids_input(), ids_input("other")
    model = tf_keras.Model([ids, other], build(embed(ids), embed(other)))
    return Keras2Case(name, title, model, {"ids": IDS, "other": OTHER}, **options)


def chain(name, title, layers, **options):
    model = tf_keras.Sequential([tf_keras.Input((STEPS,), name="ids", dtype="int32"), *layers])
    return Keras2Case(name, title, model, {"ids": IDS}, **options)


def recurrent(x):
    both = K2.Bidirectional(K2.LSTM(UNITS, return_sequences=True), merge_mode="ave")
    return [
        K2.GRU(UNITS, recurrent_activation="hard_sigmoid", return_sequences=True)(x),
        K2.GRU(UNITS, reset_after=False)(x),
        K2.SimpleRNN(UNITS, go_backwards=True)(x),
        both(x),
    ]


def states(x, other):
    _, *states = K2.LSTM(UNITS, return_state=True)(x)
    return [
        K2.LSTM(UNITS, return_sequences=True)(other, initial_state=states),
        K2.Bidirectional(K2.GRU(UNITS))(other, initial_state=states),
    ]


def time_major(x):
    """Layers whose sequences, masks and outputs have the steps first."""
    ids = x.node.layer.input
    mask = tf.transpose(tf.math.not_equal(ids, 0))
    turned = tf.transpose(x, [1, 0, 2])
    options = {"time_major": True, "return_sequences": True}
    last, *states = K2.LSTM(UNITS, time_major=True, return_state=True)(turned, mask=mask)
    sequences = [
        K2.LSTM(UNITS, **options)(turned, mask=mask, initial_state=states),
        K2.GRU(UNITS, go_backwards=True, **options)(turned),
        K2.RNN([K2.GRUCell(UNITS), K2.SimpleRNNCell(2)], **options)(turned, mask=mask),
        K2.Bidirectional(K2.SimpleRNN(UNITS, **options))(turned, mask=mask),
    ]
    both = K2.Bidirectional(K2.GRU(UNITS, time_major=True), merge_mode="sum")(turned, mask=mask)
    return [last, both, *(tf.transpose(sequence, [1, 0, 2]) for sequence in sequences), sequences[0]]


def nested(x):
    inner = tf_keras.Input((STEPS, FEATURES), name="inner")
    y = K2.BatchNormalization()(K2.Dense(UNITS, trainable=False)(inner))
    encoder = tf_keras.Model(inner, [y, K2.BatchNormalization()(K2.Dense(1)(y))], name="encoder")
    normalized = tf_keras.Sequential([K2.Dense(2), K2.BatchNormalization(), K2.Dense(FEATURES)], name="chain")
    first, second = encoder(x)
    again, _ = encoder(normalized(normalized(x)))
    return [first, second, again, K2.GlobalAveragePooling1D()(again)]


def functions(x):
    ids = x.node.layer.input
    return [
        x + 1.0,
        2.0 - x,
        tf.nn.softmax(x[:, 1:], axis=1),
        x[:, -1],
        x[:, None, ::2],
        tf.reduce_mean(tf.square(x), axis=-1, keepdims=True),
        tf.concat([x, tf.abs(x)], axis=-1),
        tf.transpose(tf.expand_dims(x, 1), [0, 3, 1, 2]),
        tf.where(x > 0.5, x, tf.zeros_like(x)),
        K2.GRU(UNITS)(x, mask=tf.math.not_equal(ids, 1)),
        tf.clip_by_value(tf.stack([x, x], axis=1), 0.2, 0.6),
        tf.nn.gelu(x),
        tf.reshape(x, [-1, STEPS * FEATURES]),
        tf.cast(tf.cast(x, "int32"), "float32") * x,
    ]


def more_functions():
    x = tf_keras.Input((STEPS, FEATURES), name="x")
    lengths = tf_keras.Input((), name="lengths", dtype="int32")
    kernel = record_numbers((2, FEATURES, 2), 1)
    pieces, (top, where) = tf.split(x, [1, 2, 1], axis=1), tf.math.top_k(x, 2)
    outputs = [
        tf.matmul(x, x, transpose_b=True),
        tf.matmul(x, x, transpose_a=True),
        tf.matmul(x, kernel[0]),
        tf.reshape(x, [tf.shape(x)[0], -1]),
        tf.reshape(x, [tf.shape(x)[0], tf.shape(x)[2], -1, 2]),
        tf.shape(x) + 1,
        tf.gather(x, [0, 2], axis=1),
        tf.gather(kernel[0], tf.cast(x > 0, "int32")),
        tf.nn.embedding_lookup(kernel[1], tf.cast(x > 0.5, "int32")),
        tf.math.l2_normalize(x, axis=-1),
        tf.math.l2_normalize(x, axis=1, epsilon=0.5),
        pieces[1],
        tf.split(x, 2, axis=1)[1],
        tf.pad(x, [[0, 0], [1, 2], [0, 0]], constant_values=2.0),
        tf.pad(x, [[0, 0], [1, 2], [0, 0]], mode="REFLECT"),
        tf.pad(x, [[0, 0], [2, 1], [0, 0]], mode="SYMMETRIC"),
        tf.sort(x, axis=1),
        tf.argsort(x),
        tf.argmax(x, axis=-1),
        tf.argmin(x, axis=1, output_type=tf.int32),
        tf.norm(x, axis=-1, keepdims=True),
        tf.norm(x, axis=[1, 2]),
        tf.math.reduce_euclidean_norm(x, axis=1),
        tf.sequence_mask(lengths, STEPS),
        tf.sequence_mask(lengths, maxlen=STEPS, dtype=tf.float32),
        top,
        where,
        tf.roll(x, 1, axis=1),
        tf.cumsum(x, axis=1, exclusive=True),
        tf.cumsum(x, axis=1, reverse=True),
        tf.math.cumprod(x, axis=1, exclusive=True, reverse=True),
        tf.tensordot(x, kernel[0], axes=1),
        tf.linalg.diag_part(x),
        tf.linalg.trace(x),
        tf.linalg.cross(x, x[:, ::-1]),
        tf.atan2(x, 0.5 - x),
        tf.math.log1p(tf.abs(x)),
        tf.math.log_sigmoid(tf.round(x * 3.0)),
        tf.nn.max_pool1d(x, 2, 2, "VALID"),
        tf.nn.avg_pool1d(x, 3, 2, "SAME"),
        tf.nn.conv1d(x, kernel, 1, "SAME"),
        tf.nn.bias_add(x, [0.5, -1.0, 2.0]),
        tf.stop_gradient(tf.ensure_shape(x, [None, STEPS, FEATURES])),
        tf.math.divide_no_nan(x, tf.nn.relu(x)),
        x // 0.3,
    ]
    data = {"x": record_numbers((3, STEPS, FEATURES), 2), "lengths": np.array([2, 0, 4], "int32")}
    model = tf_keras.Model([x, lengths], outputs)
    return Keras2Case("keras2-more-functions", "Keras 2: functions of TensorFlow by other names", model, data)


def rectifiers(x):
    x = K2.Activation("hard_sigmoid")(x)
    return [
        x,
        K2.LeakyReLU(0.3)(x),
        K2.ThresholdedReLU(0.6)(x),
        K2.ReLU(max_value=0.7, threshold=0.1)(x),
        K2.PReLU()(x),
        K2.ELU(0.5)(x),
        K2.LayerNormalization()(x),
    ]


def with_layers(x):
    return [
        K2.Dense(1)(K2.Flatten()(K2.MaxPooling1D(2)(K2.Conv1D(UNITS, 2, activation="relu")(x)))),
        K2.SeparableConv1D(UNITS, 2, padding="same")(x),
        K2.Permute((2, 1))(x),
        K2.RepeatVector(2)(K2.GlobalMaxPooling1D()(x)),
        K2.UpSampling1D(2)(x),
        K2.BatchNormalization(axis=1)(x),
    ]


def masks(x, other):
    plain = K2.Rescaling(2.0)(other)
    return [
        K2.GlobalAveragePooling1D()(K2.Add()([x, other])),
        K2.GlobalAveragePooling1D()(K2.Multiply()([x, plain])),
        K2.Maximum()([x, other]),
        K2.Concatenate()([x, other]),
        K2.Concatenate(axis=1)([x, other]),
        K2.GRU(UNITS)(K2.Concatenate()([x, plain])),
        K2.GRU(UNITS)(K2.Activation("linear")(K2.Identity()(x))),
        K2.GRU(UNITS)(K2.TimeDistributed(K2.Dense(UNITS))(x)),
        K2.TimeDistributed(K2.Masking(0.5))(x),
        K2.Dropout(0.5)(x),
    ]


def hierarchy():
    """Sentences of words: what a layer does to the mask of a step is what is left of it."""
    words = tf_keras.Input((3, STEPS), name="words", dtype="int32")
    x = K2.TimeDistributed(K2.Embedding(VOCABULARY, FEATURES, mask_zero=True))(words)
    sentences = K2.TimeDistributed(K2.LSTM(UNITS))(x)
    model = tf_keras.Model(words, [x, sentences, K2.GRU(UNITS)(sentences)])
    data = np.stack([IDS, IDS[::-1], IDS[[3, 4, 4, 0, 1]]], axis=1)
    return Keras2Case("keras2-hierarchy", "Keras 2: masks inside TimeDistributed", model, {"words": data})


def cudnn():
    """Layers for NVIDIA's cards, whose weights are laid out in another way. Elsewhere Keras 2 converts
    them, so it is asked what they mean, and the file is given what was converted.
    """
    ids = ids_input()
    x = embed(ids, mask_zero=False)
    outputs = [K2.GRU(UNITS, name="gru")(x), K2.Bidirectional(K2.LSTM(UNITS), name="lstm")(x)]
    model = tf_keras.Model(ids, outputs)
    stored = {}

    def prepare(case):
        randomise2(case)
        both = model.get_layer("lstm")
        layers = [(model.get_layer("gru"), 3), (both.forward_layer, 4), (both.backward_layer, 4)]
        for place, (layer, gates) in enumerate(layers):
            shapes = [(FEATURES, gates * UNITS), (UNITS, gates * UNITS), (2 * gates * UNITS,)]
            weights = [record_numbers(shape, 7 * place + i) for i, shape in enumerate(shapes)]
            stored[place] = weights
            layer.set_weights(hdf5_format.preprocess_weights_for_loading(layer, weights))

    def finish(path):
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            for entry in config["config"]["layers"]:
                if entry["class_name"] == "GRU":
                    entry["class_name"], entry["config"] = "CuDNNGRU", of_cudnn(entry["config"])
                if entry["class_name"] == "Bidirectional":
                    inner = entry["config"]["layer"]
                    inner["class_name"], inner["config"] = "CuDNNLSTM", of_cudnn(inner["config"])
            file.attrs["model_config"] = json.dumps(config)
            both = stored[1] + stored[2]
            for layer, weights in {"gru": stored[0], "lstm": both}.items():
                group = file["model_weights"][layer]
                for name, weight in zip(group.attrs["weight_names"], weights):
                    del group[name]
                    group[name] = weight

    case = Keras2Case("keras2-cudnn", "Keras 2: CuDNNGRU and CuDNNLSTM", model, {"ids": IDS})
    case.prepare, case.finish = prepare, finish
    return case


def of_cudnn(config):
    """What the configuration of such a layer has of that of the usual one."""
    kept = "name trainable dtype return_sequences return_state go_backwards stateful time_major units".split()
    return {key: config[key] for key in kept}


def record_numbers(shape, seed):
    return np.random.default_rng(seed).normal(0.0, 0.4, shape).astype("float32")


def keras2_cases():
    yield cudnn()
    yield two_inputs("keras2-masks", "Keras 2: its own rules of masks", masks)
    yield hierarchy()
    yield chain("keras2-chain", "Keras 2: a Sequential", [K2.Embedding(VOCABULARY, FEATURES, mask_zero=True), K2.GRU(UNITS), K2.Dense(1)])
    yield masked("keras2-recurrent", "Keras 2: recurrent layers", recurrent)
    yield two_inputs("keras2-states", "Keras 2: initial states, which take no mask away", states)
    yield masked("keras2-nested", "Keras 2: models inside models, shared, partly frozen", nested)
    yield masked("keras2-functions", "Keras 2: functions of TensorFlow", functions)
    yield more_functions()
    yield masked("keras2-rectifiers", "Keras 2: rectifiers and the old hard_sigmoid", rectifiers)
    ids = ids_input()
    yield Keras2Case(
        "keras2-layers",
        "Keras 2: layers that take no masks",
        tf_keras.Model(ids, with_layers(embed(ids, mask_zero=False))),
        {"ids": IDS},
    )
    yield masked("keras2-archive", "Keras 2: a .keras archive", recurrent, form="model.keras")
    yield masked("keras2-config", "Keras 2: a config alone", nested, form="model.json")
    yield masked("keras2-time-major", "Keras 2: recurrent layers over sequences with the steps first", time_major)


# Keras 3 ------------------------------------------------------------------------------------------


def keras3_outputs(x, other):
    """Classes that are layers and operations."""
    return [
        K3.Add()([x, other]),
        keras.ops.add(x, other),
        K3.LSTM(UNITS)(K3.Multiply()([x, other])),
        keras.ops.multiply(x, 2.0),
        keras.ops.softmax(x),
        K3.Softmax()(K3.GlobalAveragePooling1D()(K3.Concatenate()([x, other]))),
        keras.ops.reshape(x, (-1, STEPS * FEATURES)),
        K3.Bidirectional(K3.GRU(UNITS))(x),
    ]


def keras3_model(build, mask_zero=True):
    ids, other = (keras.Input((STEPS,), dtype="int32", name=name) for name in ("ids", "other"))
    embedding = K3.Embedding(VOCABULARY, FEATURES, mask_zero=mask_zero)
    return keras.Model([ids, other], build(embedding(ids), embedding(other)))


def keras3_nested(x, other):
    chain = keras.Sequential([K3.Dense(UNITS), K3.BatchNormalization(), K3.Dense(FEATURES)], name="chain")
    inner = keras.Input((STEPS, FEATURES), name="inner")
    normalized = K3.BatchNormalization()(K3.Dense(UNITS, trainable=False)(inner))
    encoder = keras.Model(inner, K3.GRU(UNITS)(normalized), name="encoder")
    return [encoder(x), encoder(other), chain(chain(x))]


def gated():
    x = keras.Input((STEPS, FEATURES), name="x")
    y = K3.MultiHeadAttention(2, 3, use_gate=True, name="attention")(x, x)
    return keras.Model(x, K3.GroupQueryAttention(3, 2, 2, use_gate=True, name="groups")(y, y), name="gated")


def narrow(policy):
    ids = keras.Input((STEPS,), dtype="int32", name="ids")
    options = {"dtype": policy}
    x = K3.Embedding(VOCABULARY, FEATURES, mask_zero=True, name="embedding", **options)(ids)
    x = K3.GRU(UNITS, name="gru", recurrent_initializer="zeros", **options)(x)
    return keras.Model(ids, K3.Dense(2, activation="tanh", name="dense", **options)(x), name=policy)


def keras3_cases():
    data = {"ids": IDS, "other": OTHER}
    yield FileCase("keras3-whole", "Keras 3: .h5 with its own masks", keras3_model(keras3_outputs), data)
    nested = keras3_model(keras3_nested, mask_zero=False)
    yield FileCase("keras3-whole-nested", "Keras 3: .h5 with models inside", nested, data, watched=False)
    yield FileCase("keras3-whole-attention", "Keras 3: .h5 with gates, told from values by order alone", gated(), {"x": X})
    beside = keras3_model(keras3_outputs)
    sharded = keras3_model(keras3_outputs)
    yield FileCase("keras3-shards", "Keras 3: weights in shards", sharded, data, form="model.json", shards=3e-7)
    for policy in ("mixed_float16", "bfloat16"):
        name = policy.replace("_", "-")
        title = f"Keras 3: {policy}, with the numbers of float32"
        model, twin = narrow(policy), narrow("float32")
        yield FileCase(name, title, model, {"ids": IDS}, form="model.keras", twin=twin)
    yield FileCase("keras3-beside", "Keras 3: weights beside a config", beside, data, form="model.json")


def cases():
    return [*keras2_cases(), *keras3_cases()]
