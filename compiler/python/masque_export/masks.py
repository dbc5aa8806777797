"""Masks in the exported file.

A traced tensor's mask (`_keras_mask`) is the one that Keras attaches to it when the original model runs. The exported
file may carry another one to the same place: operations drop masks, and a custom layer that passed or made one is
gone. `Masks` knows which tensors carry their own mask in the file, and gives the others to the layers that read them:
as `mask=` (and its kin), or, where a layer must not see a mask that the file carries, through `ops.copy`, which drops it.
"""

import inspect

from keras import activations, layers, ops, tree
from keras.src import backend

UNKNOWN = object()
"""What a tensor carries in the file if it is not certain that it is its own mask."""

SAME_OBJECT = (
    layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D, layers.GaussianDropout,
    layers.GaussianNoise, layers.AlphaDropout, layers.ActivityRegularization, layers.Identity,
)  # fmt: skip
"""Layers whose output is their input itself, mask included, when nothing is trained."""

MAKES_MASKS = (layers.Embedding, layers.Masking)
LISTS = (layers.Attention, layers.AdditiveAttention)


def mask_of(x):
    return backend.get_keras_mask(x) if backend.is_keras_tensor(x) else None


def tensors_in(value):
    return [x for x in tree.flatten(value) if backend.is_keras_tensor(x)]


def is_tensor_argument(value):
    """Does Keras count this argument of a call as a tensor, alone or nested?"""
    flat = tree.flatten(value)
    tensor = [x is not None and (backend.is_tensor(x) or backend.is_keras_tensor(x)) for x in flat]
    return any(tensor) and all(known or x is None for known, x in zip(tensor, flat))


class Masks:
    """Which mask each traced tensor carries in the exported file."""

    def __init__(self):
        self.carried = {}
        self.read = {}
        self.same = {}

    def carries_own(self, x):
        """Does this tensor carry in the file exactly the mask that it has?"""
        return self.carried.get(id(x), (x, None))[1] is mask_of(x)

    def carries_any(self, x):
        """May this tensor carry a mask in the file?"""
        return self.carried.get(id(x), (x, None))[1] is not None

    def set_carried(self, x, mask):
        self.carried[id(x)] = x, mask

    def join(self, x, y):
        """Records that two traced tensors are one object when Keras runs."""
        group = [*self.same.get(id(x), [x]), *self.same.get(id(y), [y])]
        for tensor in group:
            self.same[id(tensor)] = group

    def group(self, x):
        return self.same.get(id(x), [x])

    def before(self, layer, args, kwargs):
        """Returns the arguments with which a layer of Keras gets, in the file, the masks it got in the original."""
        signature = inspect.signature(layer.call)
        try:
            # Keras takes `training` for every layer.
            bound = signature.bind(*args, **{name: kwargs[name] for name in kwargs if name in signature.parameters})
        except TypeError:  # Keras says what is wrong with it
            return args, kwargs
        given = {name: value for name, value in bound.arguments.items() if is_tensor_argument(value)}
        if isinstance(layer, layers.MultiHeadAttention):
            change = self.for_heads(given)
        elif isinstance(layer, layers.GroupQueryAttention):
            change = self.by_name(given)
        elif "mask" in signature.parameters and len(given) == 1 and kwargs.get("mask") is None:
            change = self.single(layer, *given.items())
        else:
            change = {}
        if not change:
            return args, kwargs
        names = list(signature.parameters)
        args = tuple(change.pop(name, value) for name, value in zip(names, args)) + tuple(args[len(names) :])
        return args, kwargs | change

    def single(self, layer, argument):
        """The mask of a layer that reads the one of its only tensor argument."""
        name, value = argument
        masks = tree.map_structure(mask_of, value)
        tensors = tensors_in(value)
        if isinstance(layer, LISTS) and all(self.carries_own(x) for x in tensors):
            return {}
        if any(mask is not None for mask in tree.flatten(masks)):
            return {"mask": masks}
        if all(self.carries_own(x) for x in tensors):
            return {}
        return {name: tree.map_structure(self.without_mask, value)}

    def by_name(self, given):
        """The masks of a layer that has a parameter `NAME_mask` for each tensor."""
        tensors = {name: given[name] for name in ("query", "value", "key") if name in given}
        if all(self.carries_own(x) for x in tensors.values()):
            return {}
        change = {name: self.without_mask(x) for name, x in tensors.items() if mask_of(x) is None}
        masks = {f"{name}_mask": mask_of(x) for name, x in tensors.items()}
        return change | {name: mask for name, mask in masks.items() if mask is not None and name not in given}

    def for_heads(self, given):
        """The masks of `MultiHeadAttention`, which reads the query's from the tensor alone, and takes all of them off.

        Where the tensors do not carry their masks, or others still need what would be taken off, it gets copies without
        masks, and the query's mask as a part of `attention_mask`.
        """
        tensors = {name: given[name] for name in ("query", "value", "key") if name in given}
        own = all(self.carries_own(x) for x in tensors.values())
        needed = any(mask_of(x) is not None and id(y) in self.read for x in tensors.values() for y in self.group(x))
        if own and not needed:
            return {}
        copies = {id(x): self.without_mask(x, always=mask_of(x) is not None) for x in tensors.values()}
        change = {name: copies[id(x)] for name, x in tensors.items()}
        for name in ("value", "key"):
            mask = mask_of(tensors.get(name))
            if mask is not None and given.get(f"{name}_mask") is None:
                change[f"{name}_mask"] = mask
        query = mask_of(tensors["query"])
        if query is not None:
            change["attention_mask"] = self.with_rows(query, tensors["value"], given)
        return change

    @staticmethod
    def with_rows(query, value, given):
        """The attention mask of a call whose query has this mask."""
        rows = ops.expand_dims(query if query.dtype == "bool" else ops.cast(query, "bool"), -1)
        seen = given.get("attention_mask")
        if seen is None:
            if mask_of(value) is not None or given.get("value_mask") is not None:
                return rows
            return ops.logical_and(rows, ops.expand_dims(ops.ones_like(value[..., 0], dtype="bool"), 1))
        rows = ops.expand_dims(rows, 1) if len(seen.shape) == 4 else rows
        return ops.logical_and(rows, seen if seen.dtype == "bool" else ops.cast(seen, "bool"))

    def without_mask(self, x, always=False):
        """Returns this tensor with no mask in the file."""
        if backend.is_keras_tensor(x) and (always or self.carries_any(x)):
            return ops.copy(x)
        return x

    def after(self, layer, original, args, outputs):
        """Records what the file carries behind a call of a layer of Keras; `original`: its arguments before `before`."""
        inputs = tensors_in(args)
        if isinstance(layer, MAKES_MASKS) or all(self.carries_own(x) for x in inputs):
            for x in tensors_in(outputs):
                self.set_carried(x, mask_of(x))
        else:
            for x in tensors_in(outputs):
                self.set_carried(x, UNKNOWN)
        if isinstance(layer, layers.MultiHeadAttention):
            self.after_heads(original, inputs, outputs)
        elif isinstance(layer, SAME_OBJECT) or is_linear(layer):
            for x, y in zip(inputs, tensors_in(outputs)):
                self.join(x, y)
        else:
            self.read.update((id(x), x) for x in inputs)

    def after_heads(self, original, inputs, outputs):
        """Gives the query's mask to the output, and takes the masks off the inputs, as Keras does when it runs."""
        tensors = tensors_in([original.get(name) for name in ("query", "value", "key")])
        query = mask_of(original.get("query"))
        attended = tree.flatten(outputs)[0]
        if query is not None and mask_of(attended) is None:
            backend.set_keras_mask(attended, query)
        for x in [same for x in tensors for same in self.group(x)]:
            if mask_of(x) is not None or self.carries_any(x):
                backend.set_keras_mask(x, None)
                self.set_carried(x, UNKNOWN)

    def after_operation(self, operation, args, outputs):
        """Keeps the mask where an operation returns its very argument when Keras runs."""
        inputs, kind = tensors_in(args), type(operation).__name__
        if kind in ("Cast", "ConvertToTensor") and len(inputs) == 1 and inputs[0].dtype == outputs.dtype:
            mask = mask_of(inputs[0])
            if mask is not None:
                backend.set_keras_mask(outputs, mask)
            if self.carries_any(inputs[0]):
                self.set_carried(outputs, self.carried[id(inputs[0])][1])
            self.join(inputs[0], outputs)


def is_linear(layer):
    return isinstance(layer, layers.Activation) and layer.activation is activations.linear
