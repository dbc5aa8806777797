"""Tracing: a model called once on symbolic tensors, with the `call` of every custom layer run in place.

Keras' own `Layer.__call__` does its whole work (conversions, building, `training`, filling in masks, `compute_mask`,
warnings). Only the step that computes output shapes is another one for custom layers: their `call` runs on the symbolic
tensors, so that the calls of their sublayers and of `keras.ops` become nodes of a graph. Nothing of the model changes
for good: `Tracing` takes back its nodes and names when it ends.
"""

import contextlib
import sys

import keras
from keras import layers, ops, tree
from keras.src import backend
from keras.src.backend.common.variables import Variable
from keras.src.layers import layer as layer_module
from keras.src.models.functional import operation_fn
from keras.src.ops import operation as operation_module
from keras.src.ops.node import Node

from . import sizes
from .errors import ExportError, current_place, describe, explain
from .masks import UNKNOWN, Masks, is_tensor_argument, mask_of
from .names import CONTAINERS, Names
from .weights import Carriers, Weight

REFLECTED = {
    "add": "radd", "sub": "rsub", "mul": "rmul", "truediv": "rtruediv", "floordiv": "rfloordiv", "mod": "rmod",
    "pow": "rpow", "matmul": "rmatmul", "and": "rand", "or": "ror", "xor": "rxor", "lt": "gt", "gt": "lt", "le": "ge",
    "ge": "le", "eq": "eq", "ne": "ne",
}  # fmt: skip
"""The method of a symbolic tensor on the right for each operator of a variable on the left."""


def is_custom(layer):
    """Is this a layer whose file would need code: a user's class, or a `Lambda`?"""
    return type(layer).__module__.split(".")[0] != "keras" or isinstance(layer, layers.Lambda)


def is_inlined(layer):
    return is_custom(layer) or isinstance(layer, CONTAINERS)


class Tracing(contextlib.ExitStack):
    """One trace: while it is entered, calls of layers and operations on symbolic tensors are recorded in it."""

    def __init__(self):
        super().__init__()
        self.masks, self.carriers, self.names = Masks(), Carriers(), Names()
        self.running = []
        self.places = {}
        self.lengths = {}
        self.custom = {}
        self.activations = {}

    def __enter__(self):
        super().__enter__()
        real = layer_module.Layer.__call__
        self.change(layer_module.Layer, "__call__", lambda layer, *args, **kwargs: self.call(real, layer, args, kwargs))
        shapes = layer_module.Layer.symbolic_call
        self.change(layer_module.Layer, "symbolic_call", lambda layer, *a, **k: self.symbolic_call(shapes, layer, a, k))
        self.change(layer_module, "Node", self.layer_node)
        self.change(operation_module, "Node", self.operation_node)
        for name in REFLECTED:
            self.let_tensors_answer(f"__{name}__", f"__{REFLECTED[name]}__")
        self.change(backend.KerasTensor, "__getitem__", sizes.item(backend.KerasTensor.__getitem__))
        # NumPy and JAX then leave an operator to the symbolic tensor on its right.
        self.change(backend.KerasTensor, "__array_ufunc__", None)
        self.remove(backend.KerasTensor, "__jax_array__")
        self.forbid_random()
        losses = layer_module.Layer.add_loss
        self.change(layer_module.Layer, "add_loss", lambda layer, loss: None if sizes.is_traced(loss) else losses(layer, loss))
        assign = Variable.assign
        self.change(Variable, "assign", lambda variable, value: self.assign(assign, variable, value))
        self.replace_functions(keras.ops, sizes)
        if keras.config.is_traceback_filtering_enabled():
            keras.config.disable_traceback_filtering()
            self.callback(keras.config.enable_traceback_filtering)
        self.callback(self.take_back)
        return self

    # Changes that end with the trace ------------------------------------------------------------

    def change(self, owner, name, value):
        missing = name not in vars(owner)
        before = None if missing else vars(owner)[name]
        setattr(owner, name, value)
        self.callback(lambda: delattr(owner, name) if missing else setattr(owner, name, before))

    def remove(self, owner, name):
        if name in vars(owner):
            before = vars(owner)[name]
            delattr(owner, name)
            self.callback(setattr, owner, name, before)

    def let_tensors_answer(self, name, reflected):
        real = vars(Variable).get(name)
        if real is not None:
            self.change(
                Variable,
                name,
                lambda self, x: getattr(x, reflected)(self) if backend.is_keras_tensor(x) else real(self, x),
            )

    def forbid_random(self):
        for name in ("normal", "uniform", "categorical", "randint", "truncated_normal", "gamma", "binomial", "beta", "shuffle"):
            real = getattr(backend.random, name, None)
            if real is not None:
                self.change(backend.random, name, self.random(name, real))

    def random(self, name, real):
        def function(*args, **kwargs):
            if self.running and self.running[-1] is not None:
                raise ExportError(
                    f"`{name}` draws random numbers although nothing is trained",
                    "draw them only `if training:`",
                    describe(self.running[-1]),
                    current_place(),
                )
            return real(*args, **kwargs)

        return function

    def assign(self, real, variable, value):
        if self.running and self.running[-1] is not None:
            raise ExportError(
                f"the weight `{variable.name}` is changed although nothing is trained",
                "change it only `if training:`, or make the state an input and an output",
                describe(self.running[-1]),
                current_place(),
            )
        return real(variable, value)

    def replace_functions(self, module, replacements):
        """Puts the functions of `sizes` into `keras.ops` and into every module that took them from there by name."""
        sizes.REAL.update({name: getattr(module, name) for name in (*sizes.REPLACED, *sizes.KEPT) if hasattr(module, name)})
        self.known = {id(sizes.REAL[name]): function for name, function in sizes.REPLACED.items() if name in sizes.REAL}
        self.visited = set()
        self.replace_in(module)

    def replace_in(self, module):
        if module is not None and id(module) not in self.visited:
            self.visited.add(id(module))
            for name, value in list(vars(module).items()):
                if id(value) in self.known:
                    self.change(module, name, self.known[id(value)])

    def take_back(self):
        for operation, inbound, outbound in self.lengths.values():
            del operation._inbound_nodes[inbound:]
            del operation._outbound_nodes[outbound:]
        self.names.restore()

    def remember(self, operation):
        """Notes how many nodes an operation has, for the end of the trace."""
        if id(operation) not in self.lengths:
            self.lengths[id(operation)] = operation, len(operation._inbound_nodes), len(operation._outbound_nodes)

    # Calls --------------------------------------------------------------------------------------

    def call(self, real, layer, args, kwargs):
        """`Layer.__call__`."""
        if (self.running and self.running[-1] is None) or not sizes.is_traced(args, kwargs):
            return real(layer, *args, **kwargs)
        args, kwargs = tree.map_structure(self.number, (args, kwargs))
        with self.names.inside(layer):
            if is_inlined(layer):
                self.custom[id(layer)] = layer
                return real(layer, *args, **kwargs)
            return self.call_own(real, layer, args, kwargs)

    @staticmethod
    def number(value):
        return value.scalar() if isinstance(value, sizes.Size) else value

    def call_own(self, real, layer, args, kwargs):
        """A call of a layer of Keras, which stays as it is."""
        self.require_plain(layer)
        if kwargs.get("training") and any(hasattr(part, "seed_generator") for part in layer._flatten_layers()):
            raise ExportError("random numbers with `training=True`", "pass `training` on", describe(layer), current_place())
        names = [name for name, parameter in layer._call_signature.parameters.items()]
        original = {name: value for name, value in zip(names, args)} | kwargs
        args, kwargs = self.masks.before(layer, args, kwargs)
        self.remember(layer)
        activation = self.take_activation(layer)
        self.running.append(None)
        try:
            outputs = real(layer, *args, **kwargs)
        finally:
            self.running.pop()
        inputs = [value for name, value in zip(names, args)] + [v for k, v in kwargs.items() if not k.endswith("mask")]
        self.masks.after(layer, original, [value for value in inputs if is_tensor_argument(value)], outputs)
        return self.activated(layer, activation, outputs) if activation else outputs

    def take_activation(self, layer):
        """Returns the user's function that a layer of Keras ends with, or `None`; until the end the layer is linear."""
        function = vars(layer).get("activation")
        if callable(function) and not str(getattr(function, "__module__", None) or type(function).__module__).startswith("keras"):
            self.activations[id(layer)] = function
            self.change(layer, "activation", keras.activations.linear)
        return self.activations.get(id(layer))

    def activated(self, layer, function, x):
        """Applies the user's activation function; the mask is still that of the layer."""
        self.replace_in(sys.modules.get(function.__module__))
        self.running.append(layer)
        try:
            y = function(x)
        except Exception as error:
            raise explain(layer, error) from error
        finally:
            self.running.pop()
        if mask_of(x) is not None:
            backend.set_keras_mask(y, mask_of(x))
        return y

    def require_plain(self, layer):
        """Refuses a layer of Keras with custom code inside."""
        inside = [part for part in layer._flatten_layers(include_self=False) if is_custom(part)]
        if inside:
            raise ExportError(
                f"it holds the custom layer {describe(inside[0])}, whose code it calls in its own way",
                "write the loop or the wrapper in the `call` of a layer, with `keras.ops.scan` over a fixed length",
                describe(layer),
                current_place(),
            )

    def symbolic_call(self, shapes, layer, args, kwargs):
        """`Layer.symbolic_call`: the outputs for symbolic tensors."""
        if id(layer) not in self.custom or (self.running and self.running[-1] is None):
            return shapes(layer, *args, **kwargs)
        self.replace_in(sys.modules.get(type(layer).__module__))
        self.running.append(layer)
        try:
            if type(layer).call is keras.src.models.Functional.call:
                return self.walk(layer, *args, **kwargs)
            if isinstance(layer, keras.Sequential) and layer._functional is not None:
                return self.walk(layer._functional, *args, **kwargs)
            if isinstance(layer, (layers.RNN, layers.Wrapper)):
                raise ExportError(
                    f"a subclass of `{type(layer).__mro__[1].__name__}` has a loop that Keras runs in its own way",
                    "hold the layer of Keras in a custom layer, instead of inheriting from it",
                )
            if isinstance(layer, layers.Lambda):
                self.replace_in(sys.modules.get(getattr(layer.function, "__module__", None)))
            return layer.call(*args, **kwargs)
        except ExportError as error:
            if error.layer is None:
                raise ExportError(error.problem, error.advice, describe(layer), error.place) from error
            raise
        except Exception as error:
            raise explain(layer, error) from error
        finally:
            self.running.pop()

    def walk(self, model, inputs, training=None, mask=None, **kwargs):
        """Calls the operations of a Functional model in the order in which Keras runs them."""
        flat = tree.flatten(self.in_order(model, inputs))
        for x, own in zip(flat, tree.flatten(mask) if mask is not None else []):
            if own is not None and backend.is_keras_tensor(x):
                backend.set_keras_mask(x, own)
        flat = [self.as_input(x, wanted) for x, wanted in zip(flat, model.inputs)]
        outputs = model._run_through_graph(flat, operation_fn=lambda operation: operation_fn(operation, training=training))
        return outputs[0] if isinstance(outputs, (list, tuple)) and len(outputs) == 1 else outputs

    @staticmethod
    def in_order(model, inputs):
        by_name = isinstance(inputs, dict) and not isinstance(model._inputs_struct, dict)
        return [inputs[x.name] for x in tree.flatten(model._inputs_struct)] if by_name else inputs

    @staticmethod
    def as_input(x, wanted):
        x = x if x.dtype == wanted.dtype else ops.cast(x, wanted.dtype)
        if len(x.shape) == len(wanted.shape) + 1 and x.shape[-1] == 1:
            return ops.squeeze(x, -1)
        return ops.expand_dims(x, -1) if len(x.shape) == len(wanted.shape) - 1 and wanted.shape[-1] == 1 else x

    # Nodes --------------------------------------------------------------------------------------

    def layer_node(self, operation, call_args=None, call_kwargs=None, outputs=None):
        """Takes the place of `Node` for layers: a custom layer gets none, as its insides have theirs."""
        if id(operation) in self.custom:
            return None
        kwargs = {k: v for k, v in call_kwargs.items() if not (k == "training" and not v) and not (k == "mask" and v is None)}
        return self.node(operation, *tree.map_structure(self.as_operand, (tuple(call_args), kwargs)), outputs)

    def operation_node(self, operation, call_args=None, call_kwargs=None, outputs=None):
        """Takes the place of `Node` for operations; a free weight may make a layer of it."""
        if self.running and self.running[-1] is None:
            return Node(operation, call_args, call_kwargs, outputs)
        args, kwargs = tree.map_structure(self.as_operand, (tuple(call_args), dict(call_kwargs)))
        carrying = any(self.masks.carries_any(x) for x in tree.flatten((args, kwargs)) if backend.is_keras_tensor(x))
        self.running.append(None)
        try:
            replaced = self.carriers.replace(operation, args, kwargs, carrying)
        finally:
            self.running.pop()
        if replaced is None:
            node = self.node(operation, args, kwargs, outputs)
            if backend.is_keras_tensor(outputs):
                self.masks.after_operation(operation, args, outputs)
            return node
        layer, weight, x = replaced
        if carrying:
            self.masks.set_carried(outputs, UNKNOWN)
        self.names.weight(layer, weight)
        return self.node(layer, (x,), {}, outputs)

    def as_operand(self, value):
        if isinstance(value, sizes.Size):
            raise ExportError("a size that is not fixed where no size can be", "use it in `keras.ops.reshape`, `broadcast_to`, "
                              "`zeros`, `ones`, `full`, `arange`, `tile` or `repeat`", place=current_place())  # fmt: skip
        return Weight(value) if isinstance(value, Variable) else value

    def node(self, operation, args, kwargs, outputs):
        self.remember(operation)
        for x in tree.flatten((args, kwargs)):
            if backend.is_keras_tensor(x) and hasattr(x, "_keras_history") and x._keras_history.operation is not None:
                self.remember(x._keras_history.operation)
        self.names.note(operation)
        self.places.setdefault(id(operation), (self.running[-1] if self.running else None, current_place()))
        return Node(operation, args, kwargs, outputs)
