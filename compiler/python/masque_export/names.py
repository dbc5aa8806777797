"""Names in the exported file: those of the custom layers around a layer, and its own, joined by `__`.

`block_1__att` is what the custom layer `block_1` calls `self.att`. Keras allows no `/` in a name, PyTorch no dot.
"""

import contextlib

import keras
from keras.src.utils.naming import to_snake_case

BETWEEN = "__"
CONTAINERS = (keras.Sequential, keras.src.models.Functional)


def name_in(parent, layer):
    """Returns the name of a layer inside another one: that of the attribute that holds it, else its own."""
    if parent is None or isinstance(parent, CONTAINERS):
        return layer.name
    for name, value in vars(parent).items():
        if name.startswith("_"):
            continue
        if value is layer:
            return name
        if isinstance(value, (list, tuple)):
            for index, member in enumerate(value):
                if member is layer:
                    return f"{name}_{index}"
    return layer.name


class Names:
    """The scope at each moment of a trace, and the name that each operation will have."""

    def __init__(self):
        self.scope = []
        self.wanted = {}
        self.before = []

    @contextlib.contextmanager
    def inside(self, layer):
        parent = self.scope[-1][0] if self.scope else None
        # The model itself is no scope.
        self.scope.append((layer, name_in(parent, layer) if self.scope else None))
        try:
            yield
        finally:
            self.scope.pop()

    def path(self, last=None):
        return BETWEEN.join(name for name in [*(name for _, name in self.scope), last] if name)

    def note(self, operation):
        """Gives a name to an operation that has none yet, by where it is called for the first time."""
        if id(operation) in self.wanted:
            return
        current = self.scope[-1][0] if self.scope else None
        if current is operation:
            name = self.path()
        elif isinstance(current, CONTAINERS):
            name = self.path(operation.name)
        else:
            name = self.path(to_snake_case(type(operation).__name__))
        self.wanted[id(operation)] = operation, name

    def weight(self, layer, weight):
        """Gives a layer that carries a free weight the name of the weight."""
        self.wanted.setdefault(id(layer), (layer, self.path(weight.name)))

    def apply(self, operations):
        """Renames the operations of the exported model, each to a name that no other one has."""
        used = {operation.name for operation in operations if id(operation) not in self.wanted}
        for operation in operations:
            if id(operation) not in self.wanted:
                continue
            name = unique = self.wanted[id(operation)][1]
            number = 0
            while unique in used:
                number += 1
                unique = f"{name}_{number}"
            used.add(unique)
            self.before.append((operation, operation.name))
            operation.name = unique

    def restore(self):
        for operation, name in self.before:
            operation.name = name
        self.before = []
