"""Following advice: the lines of Python that `masque check` gives, run among those that build a model of Keras 3."""

import ast
import json
import re
import subprocess
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops, tree

from .record import graph_of, nodes_in_running_order

FURTHER = 3
"""As many steps of padding are appended to see whether their number shows."""


def identifier(name):
    """A name as Python can have it."""
    kept = re.sub(r"\W", "_", name)
    return kept if kept and not kept[0].isdigit() else f"_{kept}"


def follow(folder, masque):
    """One entry for each suggestion for a model, with what the outputs of the changed model read of the padding."""
    path = folder / "model.keras"
    if not path.exists():
        return []
    said = check(masque, path)
    suggestions = [(finding, advice) for finding in said["diagnostics"] for advice in finding["advice"] if advice["code"]]
    if not suggestions or not keras_3(path):
        return []
    before = findings(said)
    return [entry(path, finding, advice, before, masque) for finding, advice in suggestions]


def keras_3(path):
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("metadata.json"))["keras_version"].startswith("3.")


def check(masque, path):
    done = subprocess.run([masque, "check", path, "--format", "json"], capture_output=True, text=True)
    return json.loads(done.stdout)


def findings(said):
    return {(finding["code"], finding.get("output") or f"{finding['layer']}:{finding['call']}") for finding in said["diagnostics"]}


def entry(path, finding, advice, before, masque):
    own = (finding["code"], finding.get("output") or f"{finding['layer']}:{finding['call']}")
    described = {"code": own[0], "layer": finding["layer"], "way": advice["way"], "lines": advice["code"]}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            original = keras.saving.load_model(path, compile=False)
            if any(tensor.dtype == "string" for tensor in original.inputs):
                return described | {"reads": None}
            model = Replay(original, advice["code"]).build()
            described["reads"] = reads(model, padded(original) | padded(model))
            said = checked(model, masque)
            after = findings(said)
    except Exception as error:
        return described | {"reads": None, "fault": f"{type(error).__name__}: {error}"[:400]}
    told = {word for output in said["outputs"] for word in output["reads"]}
    untested = {"length"} if "length-untested" in described["reads"] else set()
    unsaid = set(described["reads"]) - {"length-untested"} - told
    if unsaid:
        described["fault"] = f"masque does not say {sorted(unsaid)}"
    elif own in after:
        described["fault"] = "the finding stays"
    elif after - before and "comes to light" not in advice["text"] and not advice["way"].startswith("without"):
        described["fault"] = f"new findings: {sorted(after - before)}"
    return described


def checked(model, masque):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return check(masque, path)


class Replay:
    """Builds a model again, call by call, with lines of advice where a person would write them."""

    def __init__(self, model, lines):
        self.model, self.graph = model, graph_of(model)
        self.nodes = list(nodes_in_running_order(self.graph))
        self.known = {"ops": ops, **{name: getattr(layers, name) for name in dir(layers)}}
        self.values = {}
        self.changed = {}
        self.lines = [ast.parse(line).body[0] for line in lines]
        self.names = {self.name_of(operation, call): (operation, call) for operation, _, call in self.nodes}
        self.tensors = {}

    def name_of(self, operation, call):
        return identifier(operation.name if call == 0 else f"{operation.name}:{call}")

    def build(self):
        for tensor in self.graph.inputs:
            fresh = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
            self.set(tensor, fresh)
            self.values[identifier(tensor.name)] = fresh
        self.settings()
        self.run_ready()
        for operation, node, call in self.nodes:
            self.step(operation, node, self.name_of(operation, call))
            self.run_ready()
        assert not self.lines, f"not run: {[ast.unparse(line) for line in self.lines]}"
        outputs = tree.map_structure(self.get, self.graph._outputs_struct)
        return keras.Model(tree.map_structure(self.get, self.graph._inputs_struct), outputs)

    def settings(self):
        """`embedding = Embedding(..., mask_zero=True)`: the layer with another setting."""
        for line in list(self.lines):
            value = getattr(line, "value", None)
            ellipsis = isinstance(value, ast.Call) and value.args and getattr(value.args[0], "value", None) is ...
            if ellipsis:
                name = line.targets[0].id
                old, _ = self.names[name]
                given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in value.keywords}
                self.changed[old] = type(old).from_config(old.get_config() | given)
                self.lines.remove(line)

    def step(self, operation, node, name):
        own = [line for line in self.lines if self.is_for(line, name)]
        replaced = next((line for line in own if isinstance(line, ast.Expr)), None)
        if replaced is not None:
            # `layer(...)`: the call with other arguments.
            self.run_before(replaced)
            self.lines.remove(replaced)
            result = self.value(replaced.value)
        elif own and self.again(own[0], name):
            # `layer_1 = layer(...)`, and what does not read what it replaces.
            result = None
        else:
            args, kwargs = tree.map_structure(self.get, (node.arguments.args, node.arguments.kwargs))
            filled_in = ["mask"] if self.is_filled_in(operation, node) else []
            absent = [name for name, value in kwargs.items() if name.endswith("mask") and value is None]
            kwargs = {name: value for name, value in kwargs.items() if name not in filled_in + absent}
            result = self.function(operation)(*args, **kwargs)
        self.values[name] = result
        for line in [line for line in own if line is not replaced]:
            # What stands before a line is run before it.
            self.run_before(line)
            self.assign(line)
            self.lines.remove(line)
        for old, new in zip(node.outputs, tree.flatten(self.values[name])):
            self.set(old, new)

    def again(self, line, name):
        return name not in {found.id for found in ast.walk(line.value) if isinstance(found, ast.Name)}

    def is_for(self, line, name):
        """Does a line give what the call of that name gives?"""
        if isinstance(line, ast.Expr):
            return line.value.func.id == name
        target = line.targets[0]
        return getattr(getattr(target, "value", target), "id", None) == name

    def assign(self, line):
        target = line.targets[0]
        if isinstance(target, ast.Subscript):
            self.values[target.value.id] = list(self.values[target.value.id])
            self.values[target.value.id][ast.literal_eval(target.slice)] = self.value(line.value)
        else:
            self.values[target.id] = self.value(line.value)

    def is_local(self, line):
        return isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name) and line.targets[0].id not in self.names

    def run_before(self, line):
        for local in self.lines[: self.lines.index(line)]:
            if self.is_local(local):
                self.assign(local)
                self.lines.remove(local)

    def run_ready(self):
        """Lines that name something new are run as soon as what they read is there."""
        for line in list(self.lines):
            read = {found.id for found in ast.walk(line) if isinstance(found, ast.Name) and isinstance(found.ctx, ast.Load)}
            if self.is_local(line) and all(name in self.known or self.has(name) for name in read):
                self.assign(line)
                self.lines.remove(line)

    def has(self, name):
        value = self.values.get(name)
        return value is not None

    def value(self, expression):
        """What an expression gives; a name that is called is a layer's, any other one a tensor's."""
        called = [found.func for found in ast.walk(expression) if isinstance(found, ast.Call)]
        names = [name for name in called if isinstance(name, ast.Name) and name.id in self.names]
        functions = {f"layer_{name.id}": self.function(self.names[name.id][0]) for name in names}
        for name in names:
            name.id = f"layer_{name.id}"
        code = compile(ast.Expression(expression), "<advice>", "eval")
        return eval(code, self.known | self.values | functions)

    def function(self, operation):
        """Calls a layer; one that was built for other sizes is built anew."""

        def call(*args, **kwargs):
            try:
                return self.changed.get(operation, operation)(*args, **kwargs)
            except ValueError:
                self.changed[operation] = type(operation).from_config(operation.get_config())
                return self.changed[operation](*args, **kwargs)

        return call

    def get(self, value):
        return self.tensors.get(id(value), value) if isinstance(value, keras.KerasTensor) else value

    def set(self, old, new):
        self.tensors[id(old)] = new

    def is_filled_in(self, operation, node):
        """Did Keras fill in the mask, that of the only tensor, when the model was built?"""
        args, kwargs = node.arguments.args, node.arguments.kwargs
        mask = kwargs.get("mask")
        tensors = [value for value in tree.flatten((args, {k: v for k, v in kwargs.items() if k != "mask"})) if isinstance(value, keras.KerasTensor)]
        if not isinstance(mask, keras.KerasTensor) or len(tensors) != 1:
            return False
        own = keras.src.backend.get_keras_mask(tensors[0])
        return own is not None and same(own, mask)


def same(a, b):
    """Are two symbolic tensors computed in the same way?"""
    if not isinstance(a, keras.KerasTensor) or not isinstance(b, keras.KerasTensor):
        return type(a) is type(b) and np.array_equal(a, b)
    if a is b:
        return True
    (one, at, _), (other, there, _) = a._keras_history, b._keras_history
    if type(one) is not type(other) or isinstance(one, keras.layers.Layer):
        return False
    left, right = one._inbound_nodes[at].arguments, other._inbound_nodes[there].arguments
    pairs = zip(tree.flatten((left.args, left.kwargs)), tree.flatten((right.args, right.kwargs)))
    return all(same(x, y) for x, y in pairs)


# What outputs read of the padding ------------------------------------------------------------------


def padded(model):
    """The tables whose first row is that of padding."""
    return {layer.name for layer in model.layers if isinstance(layer, layers.Embedding) and layer.mask_zero}


def reads(model, padded):
    """`content` if outputs at real steps depend on the row of the padding id, `length` if on three more steps of it."""
    numbers = np.random.default_rng(5)
    for weight in model.weights:
        if "float" in weight.dtype:
            low = 0.1 if "variance" in weight.name else -0.5
            weight.assign(numbers.uniform(low, 0.9, weight.shape).astype(weight.dtype))
    steps = [tensor.shape[1] for tensor in model.inputs if len(tensor.shape) > 1]
    length = next((size for size in steps if size is not None), 6)
    is_open = None in steps
    lengths = np.array([2, length - 1, length // 2 + 1, length - 2]).clip(1, length)
    short, long = batch(model, numbers, lengths, length)
    found = {}
    base = outputs_of(model, short)
    for layer in model.layers:
        if layer.name in padded:
            table = np.array(layer.embeddings)
            other = table.copy()
            other[0] = numbers.uniform(-2, 2, other[0].shape)
            layer.embeddings.assign(other)
            if differ(model, base, outputs_of(model, short), lengths, length):
                found["content"] = True
            layer.embeddings.assign(table)
    if is_open and differ(model, base, outputs_of(model, long), lengths, length):
        found["length"] = True
    # Of a sequence without padding, what lies behind its end is not there yet; where it is read, that is `content`.
    if is_open and not found:
        lengths[1] = length
        short, long = batch(model, numbers, lengths, length)
        if differ(model, outputs_of(model, short), outputs_of(model, long), lengths, length):
            found["length"] = True
    return sorted(found) + ([] if is_open else ["length-untested"])


def outputs_of(model, inputs):
    return [np.asarray(output) for output in tree.flatten(model(inputs, training=False))]


def batch(model, numbers, lengths, length):
    """Inputs padded with 0 after their lengths, and the same with three more steps."""
    short, long = [], []
    for tensor in model.inputs:
        shape = [length if size is None else size for size in tensor.shape[1:]]
        if "int" in tensor.dtype or len(tensor.shape) == 2 and takes_ids(model):
            value = numbers.integers(1, smallest_table(model), [len(lengths), *shape]).astype(tensor.dtype)
        else:
            value = numbers.uniform(0.2, 1.0, [len(lengths), *shape]).astype("float32")
        if len(tensor.shape) > 1 and shape[0] == length:
            value[np.arange(length) >= lengths[:, None]] = 0
        short.append(value)
        further = len(tensor.shape) > 1 and tensor.shape[1] is None
        long.append(np.pad(value, [(0, 0), (0, FURTHER)] + [(0, 0)] * (value.ndim - 2)) if further else value)
    return short, long


def takes_ids(model):
    return all(len(tensor.shape) == 2 for tensor in model.inputs) and tables(model)


def tables(model):
    return [layer.input_dim for layer in model.layers if isinstance(layer, layers.Embedding)]


def smallest_table(model):
    return min(tables(model), default=5)


def differ(model, base, other, lengths, length):
    """Do outputs differ: at real steps where they go along with the steps, and anywhere else?"""
    for symbol, a, b in zip(tree.flatten(model.outputs), base, other):
        by_step = a.ndim > 1 and a.shape[1] == length and (symbol.shape[1] is None or b.shape[1] == length)
        if by_step:
            valid = np.arange(length) < lengths[:, None]
            a, b = a[:, :length][valid], b[:, :length][valid]
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True):
            return True
    return False
