"""Running a Keras model while watching every call, and writing what was seen as a case folder."""

import json
import shutil
import warnings
import zlib
from dataclasses import dataclass, field
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from keras import tree
from keras.src.models import functional as keras_functional

from . import archive

TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}
DESTROYED = "was passed an input with a mask attached to it"
MODELS = ("Functional", "Sequential")


@dataclass
class Case:
    """One model and what to ask it."""

    name: str
    title: str
    model: keras.Model
    inputs: dict
    """By the name of the input layer; lists for text, arrays for everything else."""
    loss: str | dict | None = None
    target: np.ndarray | list | None = None
    """One for each output."""
    sample_weight: np.ndarray | list | None = None
    compiled: dict | None = None
    """What the model is compiled with before it is saved; its file then says the loss."""
    masks_only: bool = False
    """Keep only the configuration, as `model.json`: the masks are known from it, numbers are not."""
    weights_of: str | None = None
    """The name of another case with the same weights; by default they are the case's own."""
    older_names: dict = field(default_factory=dict)
    """What groups of the weights file were called in an older version, which is what the file calls them."""
    exported: bool = False
    """The model has custom layers: its file is a plain one, made by `masque_export`, and its own outputs are expected."""
    symbolic: object = None
    """The inputs of an exported model that does not know its own."""
    layers: str | None = None
    """Descriptions of the model's custom layers, which its file holds by name."""
    finish: object = None
    """Changes the file that was written, which Keras may then be unable to read."""


@dataclass
class Recording:
    """What a run showed."""

    outputs: list
    calls: list = field(default_factory=list)
    masks: dict = field(default_factory=dict)
    destroyers: list = field(default_factory=list)
    """Layers that Keras warned about: they lost a mask because they don't support masking."""


def class_name(operation):
    """The class as a file names it, which differs from Python's in one place."""
    name = type(operation).__name__
    if not type(operation).__module__.startswith("keras."):
        return keras.saving.get_registered_name(type(operation))
    return "GroupQueryAttention" if name == "GroupedQueryAttention" else name


def randomise(model, name):
    """Replace the weights by values that depend on the case's name only; biases are not zero then."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for weight in model.weights:
        if "float" not in weight.dtype or "idf" in weight.name:
            continue
        if weight.name == "gamma":
            value = rng.uniform(0.5, 1.5, weight.shape)
        else:
            value = rng.normal(0.0, 0.4, weight.shape)
        weight.assign(value.astype(weight.dtype))


def graph_of(model):
    """The Functional that runs: a Sequential keeps one inside."""
    return model._functional if isinstance(model, keras.Sequential) else model


def input_names(model):
    return [tensor._keras_history.operation.name for tensor in graph_of(model).inputs]


def destroyed(warning):
    """Does Keras say that a mask is lost? A model inside a model says so too, though the mask reaches its layers."""
    return DESTROYED in warning and not any(f"(of type {kind})" in warning for kind in MODELS)


def to_tensor(value):
    return tf.constant(value) if isinstance(value, list) else tf.convert_to_tensor(value)


def arguments(model, inputs, convert=lambda value: value):
    """`inputs` in the structure that the model is called with."""
    flat = [convert(inputs[name]) for name in input_names(model)]
    return tree.pack_sequence_as(graph_of(model)._inputs_struct, flat)


def nodes_in_running_order(graph):
    """(operation, node, its position among the operation's calls in this graph), as Keras runs them."""
    members = {id(node) for nodes in graph._nodes_by_depth.values() for node in nodes}
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            of_this_graph = [id(n) for n in node.operation._inbound_nodes if id(n) in members]
            yield node.operation, node, of_this_graph.index(id(node))


def masks_of(tensors):
    return [keras.src.backend.get_keras_mask(tensor) for tensor in tensors]


def present(masks):
    return [mask is not None for mask in masks]


def same_mask(a, b):
    """Equal, or both absent."""
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b)


def accepted_status(layer, mask_in, mask_out, overridden, ignored):
    """The words that describe truthfully what a call did with its masks.

    `overridden`: a mask was given that is not the one the tensor carries. `ignored`: none was given,
    and Keras fills in none either, as there is a second tensor argument.
    """
    given = [mask for mask in mask_in if mask is not None]
    result = [mask for mask in mask_out if mask is not None]
    if not given:
        return ["born"] if result else ["none"]
    if result:
        if overridden:
            return ["carried", "changed", "born"]
        if all(any(mask is g for g in given) for mask in result):
            return ["carried"]
        if all(mask.shape != g.shape for mask in result for g in given):
            return ["changed", "born"]
        return ["carried", "changed", "born"]
    if not isinstance(layer, keras.layers.Layer):
        return ["dropped", "none"]
    if not layer.supports_masking:
        return ["dropped"]
    uses_mask = isinstance(
        layer,
        (keras.layers.RNN, keras.layers.Bidirectional, keras.layers.GlobalAveragePooling1D),
    )
    return ["consumed"] if uses_mask and not ignored else ["consumed", "dropped"]


class Watch:
    """Stands in for `operation_fn`, by which a Functional turns each operation into what it calls."""

    def __init__(self, model):
        self.recording = Recording(outputs=[])
        self.in_file = not isinstance(model, keras.Sequential)
        self.upcoming = nodes_in_running_order(graph_of(model))
        self.original = keras_functional.operation_fn
        self.running = False

    def __call__(self, operation, **context):
        function = self.original(operation, **context)
        if self.running:
            # A call of a model inside the model.
            return function
        expected, node, position = next(self.upcoming)
        assert expected is operation, f"{operation.name} runs where {expected.name} was expected"

        def watched(*args, **kwargs):
            explicit = kwargs.get("mask")
            explicit = tf.constant(explicit) if isinstance(explicit, np.ndarray) else explicit
            by_hand = {k: v for k, v in kwargs.items() if k.endswith("_mask") and tf.is_tensor(v)}
            data = {k: v for k, v in kwargs.items() if k != "mask" and k not in by_hand}
            tensors = [t for t in tree.flatten((args, data)) if tf.is_tensor(t)]
            mask_in = masks_of(tensors)
            given = [explicit] if tf.is_tensor(explicit) else list(explicit or [])
            overridden = any(not same_mask(mask, own) for mask, own in zip(given, mask_in))
            mask_in[: len(given)] = given
            for name, mask in by_hand.items():
                place = {"query_mask": 0, "value_mask": 1, "key_mask": 2}.get(name)
                # MultiHeadAttention overwrites the argument.
                unread = place == 0 and isinstance(operation, keras.layers.MultiHeadAttention)
                if place is not None and place < len(mask_in) and not unread:
                    mask_in[place] = mask
            self.running = True
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = function(*args, **kwargs)
            self.running = False
            # The projections inside this one complain about a mask that the layer itself uses.
            falsely = isinstance(operation, keras.layers.GroupQueryAttention)
            # Those of KerasHub have layers inside that complain about masks which the layer itself passes on.
            if type(operation).__module__.startswith("keras_hub"):
                falsely = not any(f"'{operation.name}'" in str(w.message) for w in caught)
            if any(destroyed(str(w.message)) for w in caught) and not falsely:
                self.recording.destroyers.append(operation.name)
            # A Sequential's file lists its layers only, not the mask arithmetic between them.
            if self.in_file or isinstance(operation, keras.layers.Layer):
                ignored = explicit is None and len(mask_in) > 1
                mask_out = masks_of(tree.flatten(result))
                status = accepted_status(operation, mask_in, mask_out, overridden, ignored)
                self.note(node, position, mask_in, mask_out, explicit is not None or by_hand, status)
            return result

        return watched

    def note(self, node, position, mask_in, mask_out, explicit, status):
        """Write down one call and the masks it gave out."""
        operation = node.operation
        key = f"{operation.name}:{position}"
        for i, mask in enumerate(mask_out):
            if mask is not None:
                name = key if len(mask_out) == 1 else f"{key}:{i}"
                self.recording.masks[name] = np.asarray(mask).astype(bool)
        symbolic_in = mask_in if explicit else masks_of(node.input_tensors)
        self.recording.calls.append(
            {
                "layer": operation.name,
                "call": position,
                "class": class_name(operation),
                "is_layer": isinstance(operation, keras.layers.Layer),
                "mask_in": present(mask_in),
                "mask_out": present(mask_out),
                "symbolic_mask_in": present(symbolic_in),
                "symbolic_mask_out": present(masks_of(node.outputs)),
                "status": status,
            }
        )


def run(model, inputs):
    """Call the model once, eagerly, and record all its calls."""
    watch = Watch(model)
    with mock.patch.object(keras_functional, "operation_fn", watch):
        outputs = model(arguments(model, inputs, to_tensor), training=False)
    watch.recording.outputs = [np.asarray(output) for output in tree.flatten(outputs)]
    return watch.recording


def original_outputs(case):
    """What a model with custom layers gives itself."""
    if case.symbolic is None:
        outputs = case.model(arguments(case.model, case.inputs, to_tensor), training=False)
    else:
        outputs = case.model(*(to_tensor(case.inputs[x.name]) for x in case.symbolic), training=False)
    return [np.asarray(output) for output in tree.flatten(outputs)]


def evaluate(model, case):
    """What Keras reports of the whole data taken as one batch: the loss, and what else it was compiled with."""
    if case.loss:
        config = isinstance(case.loss, dict)
        model.compile(loss=keras.losses.deserialize(case.loss) if config else case.loss)
    inputs, weights = arguments(model, case.inputs), case.sample_weight
    size = len(tree.flatten(case.target)[0])
    report = model.evaluate(inputs, case.target, sample_weight=weights, batch_size=size, verbose=0, return_dict=True)
    report = {name: float(value) for name, value in report.items()}
    described = {"loss": case.loss, "expected": report["loss"]}
    return described | ({"report": report} if (case.compiled or {}).get("metrics") else {})


def store(case, folder):
    """Save the case's model without what varies; give the path and the model as loaded back."""
    if case.masks_only:
        path = folder / "model.json"
        path.write_text(archive.canonical_config(case.model.to_json()))
        return path, keras.models.model_from_json(path.read_text())
    randomise(case.model, case.weights_of or case.name)
    path = folder / "model.keras"
    if case.compiled:
        case.model.compile(optimizer="sgd", **case.compiled)
    if case.exported:
        import masque_export

        masque_export.export(case.model, path, case.symbolic)
    else:
        case.model.save(path)
    archive.normalise(path)
    model = keras.saving.load_model(path, compile=bool(case.compiled))
    if case.older_names:
        archive.rename_groups(path, case.older_names)
    if case.finish:
        case.finish(path)
    return path, model


def write_inputs(folder, inputs):
    """Numbers go into `input.npz`; as soon as one input is text, all go into `input.json`."""
    if not any(isinstance(value, list) for value in inputs.values()):
        np.savez(folder / "input.npz", **inputs)
        return "input.npz"
    plain = {k: v if isinstance(v, list) else v.tolist() for k, v in inputs.items()}
    (folder / "input.json").write_text(json.dumps(plain, ensure_ascii=False, indent=1) + "\n")
    return "input.json"


def case_json(case):
    """JSON with one call on a line."""
    calls = ",\n".join("  " + json.dumps(call) for call in case["calls"])
    head = json.dumps({k: v for k, v in case.items() if k != "calls"}, indent=1, ensure_ascii=False)
    return f'{head[:-2]},\n "calls": [\n{calls}\n ]\n}}\n'


def write(case, folder):
    """Write one case folder, replacing what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path, model = store(case, folder)
    assert sorted(input_names(model)) == sorted(case.inputs), f"{case.name}: {input_names(model)}"
    recording = run(model, case.inputs)
    if case.layers:
        (folder / "layers.mq").write_text(case.layers)
    if case.exported:
        recording.outputs = original_outputs(case)
    if case.layers:
        for found, own in zip(recording.outputs, original_outputs(case), strict=True):
            np.testing.assert_allclose(found, own, rtol=1e-6, atol=1e-6)
    described = {
        "title": case.title,
        "keras_version": keras.__version__,
        "policy": "error" if recording.destroyers else "warn",
        "expected_check": list(dict.fromkeys(recording.destroyers)),
        "model": path.name,
        "tolerance": TOLERANCE,
        "tags": [],
    }
    differs = [c for c in recording.calls if c["mask_out"] != c["symbolic_mask_out"]]
    if differs:
        described["tags"].append("runtime-mask-differs-from-symbolic")
    if case.masks_only:
        described["mask_inference_only"] = True
    else:
        described["input"] = write_inputs(folder, case.inputs)
        outputs = {f"output_{i}": output for i, output in enumerate(recording.outputs)}
        if not all(np.isfinite(output).all() for output in outputs.values()):
            described["tags"].append("non-finite")
        np.savez(folder / "expected.npz", **outputs)
        np.savez(folder / "masks.npz", **recording.masks)
    if case.target is not None:
        targets = case.target if isinstance(case.target, list) else [case.target]
        np.savez(folder / "target.npz", **{f"output_{i}": target for i, target in enumerate(targets)})
        if case.sample_weight is not None:
            weights = case.sample_weight if isinstance(case.sample_weight, list) else [case.sample_weight]
            np.savez(folder / "sample_weight.npz", **{f"output_{i}": weight for i, weight in enumerate(weights)})
        described["evaluate"] = evaluate(model, case)
    described["calls"] = recording.calls
    (folder / "case.json").write_text(case_json(described))
