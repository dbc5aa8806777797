"""Functions of `keras.ops` that need another form while a `call` is traced.

Sizes that are not fixed (the batch, often the time) are numbers when a layer runs, and unknown while it is traced. Here
`ops.shape` gives a `Size` for them, and the functions that take sizes accept it: `reshape`, `broadcast_to`, `zeros`,
`ones`, `full`, `arange`, `tile`, `repeat`. Control flow over tensors has no form in a file: `cond` becomes `where`, `scan`
and `fori_loop` over a fixed length are unrolled, and the others are errors.
"""

import math

import keras
from keras import layers, ops, tree
from keras.src import backend

from .errors import ExportError, current_place

REAL = {}
"""The functions as Keras has them, filled when tracing begins."""


class Size:
    """The length of an axis of a traced tensor that is not fixed."""

    def __init__(self, tensor, axis):
        self.tensor, self.axis = tensor, axis

    def vector(self, dtype):
        """Returns zeros `[n]` of this length."""
        index = tuple(slice(None) if axis == self.axis else 0 for axis in range(len(self.tensor.shape)))
        # Zeros first: of them it is plain that no example reads another one.
        return REAL["zeros_like"](self.tensor, dtype=dtype)[index]

    def scalar(self):
        """Returns this length as a traced int32 number."""
        return ops.sum(REAL["ones_like"](self.vector("int32")))

    def __index__(self):
        raise ExportError(
            "the length of an axis that is not fixed cannot be a Python number",
            "give the input a fixed shape, or use `keras.ops.arange(length)` and `keras.ops.take`",
            place=current_place(),
        )

    __int__ = __float__ = __bool__ = __index__

    def __eq__(self, other):
        return self is other

    __hash__ = object.__hash__


def operator(name):
    return lambda self, *others: getattr(self.scalar(), name)(*[o.scalar() if isinstance(o, Size) else o for o in others])


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Size, f"__{_name}__", operator(f"__{_name}__"))
    setattr(Size, f"__r{_name}__", operator(f"__r{_name}__"))
for _name in ("neg", "lt", "le", "gt", "ge"):
    setattr(Size, f"__{_name}__", operator(f"__{_name}__"))


def is_open(sizes):
    """Is one of these sizes not fixed?"""
    return any(isinstance(size, Size) for size in tree.flatten(sizes))


def listed(shape):
    return list(shape) if isinstance(shape, (list, tuple)) else [shape]


def shape(x):
    if not backend.is_keras_tensor(x):
        return REAL["shape"](x)
    return tuple(Size(x, axis) if size is None else size for axis, size in enumerate(x.shape))


def reshape(x, newshape):
    if not is_open(newshape):
        return REAL["reshape"](x, newshape)
    sizes = listed(newshape)
    if backend.is_keras_tensor(x) and x.shape[0] is None and keeps_batch(x, sizes):
        rest = sizes[1:]
        if is_open(rest) and -1 in rest and x.shape[1:].count(None) == 1:
            known = math.prod(size for size in rest if not isinstance(size, Size) and size != -1)
            rest[rest.index(-1)] = math.prod(size for size in x.shape[1:] if size is not None) // known
        rest = [-1 if isinstance(size, Size) else size for size in rest]
        if rest.count(-1) <= 1:
            return layers.Reshape(rest)(ops.copy(x) if backend.get_keras_mask(x) is not None else x)
    sizes = [-1 if isinstance(size, Size) else size for size in sizes]
    if sizes.count(-1) > 1:
        raise ExportError(
            f"`reshape` to {tuple(sizes)} has more than one size that is not fixed",
            "give the input a fixed length",
            place=current_place(),
        )
    return REAL["reshape"](x, sizes)


def keeps_batch(x, sizes):
    """Is the first of these sizes that of the batch, by itself or because the others are those of one example?"""
    if isinstance(sizes[0], Size):
        return sizes[0].axis == 0
    opened = [size for size in sizes[1:] if isinstance(size, Size)], [size for size in x.shape[1:] if size is None]
    known = [size for size in sizes[1:] if not isinstance(size, Size)], [size for size in x.shape[1:] if size is not None]
    return sizes[0] == -1 and len(opened[0]) == len(opened[1]) == 1 and math.prod(known[0]) == math.prod(known[1])


def zeros(shape, dtype=None):
    """Zeros of a shape with open sizes, from a vector of zeros for each of them."""
    if not is_open(shape):
        return REAL["zeros"](shape, dtype=dtype)
    sizes, dtype = listed(shape), dtype or keras.config.floatx()
    working = "int32" if dtype == "bool" else dtype
    result = REAL["zeros"]([1 if isinstance(size, Size) else size for size in sizes], dtype=working)
    for axis, size in enumerate(sizes):
        if isinstance(size, Size):
            index = tuple(slice(None) if other == axis else None for other in range(len(sizes)))
            # Not a sum: with TensorFlow, `[1, n] + [n, 1]` is taken for the addition of a bias.
            result = ops.maximum(result, size.vector(working)[index])
    return ops.cast(result, dtype) if working != dtype else result


def full(shape, fill_value, dtype=None):
    if not is_open(shape):
        return REAL["full"](shape, fill_value, dtype=dtype)
    return ops.full_like(zeros(shape, dtype), fill_value)


def ones(shape, dtype=None):
    if not is_open(shape):
        return REAL["ones"](shape, dtype=dtype)
    return REAL["ones_like"](zeros(shape, dtype))


def broadcast_to(x, shape):
    if not is_open(shape):
        return REAL["broadcast_to"](x, shape)
    dtype = backend.standardize_dtype(x.dtype)
    return ops.logical_or(x, zeros(shape, dtype)) if dtype == "bool" else ops.multiply(x, ones(shape, dtype))


def tile(x, repeats):
    if not is_open(repeats):
        return REAL["tile"](x, repeats)
    repeats = listed(repeats)
    repeats = [1] * (len(x.shape) - len(repeats)) + repeats
    sizes = [1] * (len(repeats) - len(x.shape)) + list(x.shape)
    if any(isinstance(repeat, Size) and size != 1 for repeat, size in zip(repeats, sizes)):
        raise ExportError("`tile` repeats an axis that is longer than 1 by a size that is not fixed", place=current_place())
    x = REAL["tile"](x, [1 if isinstance(repeat, Size) else repeat for repeat in repeats])
    return broadcast_to(x, [r if isinstance(r, Size) else size for r, size in zip(repeats, x.shape)])


def repeat(x, repeats, axis=None):
    if not is_open(repeats):
        return REAL["repeat"](x, repeats, axis=axis)
    counts = [1] * len(x.shape)
    counts[axis] = repeats
    return tile(x, counts)


def arange(start, stop=None, step=None, dtype=None):
    if stop is None and isinstance(start, Size):
        start, stop = 0, start
    if not isinstance(stop, Size):
        return REAL["arange"](start, stop, step, dtype=dtype) if step is not None else REAL["arange"](start, stop, dtype=dtype)
    if start != 0 or step not in (None, 1):
        raise ExportError("`arange` up to a size that is not fixed has to begin at 0 and step by 1", place=current_place())
    counted = ops.cumsum(REAL["ones_like"](stop.vector("int32")), axis=0) - 1
    return counted if dtype in (None, "int32") else ops.cast(counted, dtype)


def is_traced(*values):
    return any(backend.is_keras_tensor(x) for x in tree.flatten(values))


def cond(pred, true_fn, false_fn):
    if not is_traced(pred):
        return REAL["cond"](pred, true_fn, false_fn)
    return tree.map_structure(lambda yes, no: ops.where(pred, yes, no), true_fn(), false_fn())


def scan(f, init, xs=None, length=None, reverse=False, unroll=1):
    """A loop over a fixed length, unrolled."""
    count = length if xs is None else tree.flatten(xs)[0].shape[0]
    if count is None:
        raise ExportError("`scan` over a length that is not fixed", "give the input a fixed length", place=current_place())
    state, found = init, []
    for step in reversed(range(count)) if reverse else range(count):
        state, y = f(state, None if xs is None else tree.map_structure(lambda x: x[step], xs))
        found.append(y)
    found = found[::-1] if reverse else found
    if not found or found[0] is None:
        return state, None
    return state, tree.map_structure(lambda *steps: ops.stack(steps), *found)


def fori_loop(lower, upper, body_fun, init_val):
    state = init_val
    for step in range(lower, upper):
        state = body_fun(step, state)
    return state


def item(real):
    """`KerasTensor.__getitem__` for every key that numbers take which has a form as an operation."""

    def getitem(x, key):
        if not isinstance(key, tuple):
            if backend.is_keras_tensor(key) or hasattr(key, "__array__"):
                return ops.take(x, key, axis=0)
            key = (key,) if isinstance(key, slice) or key is None or key is Ellipsis else key
        return real(x, key)

    return getitem


def with_numbers(name):
    """A function that takes a size as the number it is."""

    def function(*args, **kwargs):
        if is_open((args, kwargs)):
            args, kwargs = tree.map_structure(lambda x: x.scalar() if isinstance(x, Size) else x, (args, kwargs))
        return REAL[name](*args, **kwargs)

    return function


def refuse(name, advice):
    def function(*args, **kwargs):
        values = [*args, *kwargs.values()]
        closed = [cell.cell_contents for f in values if callable(f) for cell in getattr(f, "__closure__", None) or ()]
        if is_traced(values, [value for value in closed if backend.is_keras_tensor(value)]):
            raise ExportError(f"`keras.ops.{name}` over traced tensors has no form in a file", advice, place=current_place())
        return REAL[name](*args, **kwargs)

    return function


LOOP = "use `keras.ops.scan` or `keras.ops.fori_loop` over a fixed length, which are unrolled"
WHOLE = "write the operation for the whole batch, with `keras.ops.einsum` or broadcasting"
REPLACED = {
    "shape": shape, "reshape": reshape, "zeros": zeros, "ones": ones, "full": full, "broadcast_to": broadcast_to,
    "tile": tile, "repeat": repeat, "arange": arange, "cond": cond, "scan": scan, "fori_loop": fori_loop,
    "while_loop": refuse("while_loop", LOOP), "associative_scan": refuse("associative_scan", LOOP),
    "map": refuse("map", WHOLE), "vectorized_map": refuse("vectorized_map", WHOLE),
    "switch": refuse("switch", "use `keras.ops.where` over the branches"),
}  # fmt: skip
REPLACED |= {name: with_numbers(name) for name in (
    "cast", "convert_to_tensor", "sqrt", "log", "add", "subtract", "multiply", "divide", "minimum", "maximum", "power", "less",
    "greater", "where",
)}  # fmt: skip
KEPT = ("zeros_like", "ones_like")
