"""What the files of real models hold: batch sizes that nobody meant, numbers that only Python writes, old names.

A file is saved by Keras, and changed afterwards where only another version or another machine writes it so.
"""

import io

import h5py
import keras
import numpy as np
from keras import Input, Model, layers, ops

from . import archive
from .files import FileCase
from .layers import IDS, OTHER_IDS, STEPS, UNITS, VOCABULARY, X, embed, ids_input, numbers
from .record import Case


def batch_cases():
    """The size of a batch stands in the file; where nothing needs it, another one is passed."""
    tail = [layers.LSTM(UNITS, return_sequences=True), layers.GlobalAveragePooling1D(), layers.Dense(1)]
    built = keras.Sequential([layers.Embedding(VOCABULARY, 3, mask_zero=True, name="words"), *tail])
    built.build((2, STEPS))
    name = built._functional.inputs[0]._keras_history.operation.name
    yield Case("batch-of-fit", "A Sequential that was built with 2 rows, run on 5", built, {name: IDS})

    named = Input(batch_shape=(2, STEPS), dtype="int32", name="named")
    same = Input(batch_shape=(2, 3), dtype="int32", name="same")
    free = ids_input("free")
    x = layers.Concatenate(axis=1)([embed(named), embed(same), embed(free)])
    outputs = [layers.GRU(UNITS)(x), ops.reshape(x, (-1, 11 * 3)), layers.Dense(UNITS)(x)]
    data = {"named": IDS, "same": OTHER_IDS, "free": IDS[::-1].copy()}
    yield Case("batch-mixed", "Two inputs with one batch size, and one without", Model([named, same, free], outputs), data)

    fixed = Input(batch_shape=(len(IDS), STEPS), dtype="int32", name="ids")
    added = embed(fixed) + ops.convert_to_tensor(numbers(len(IDS), 1, 3, seed=4))
    yield Case("batch-needed", "A constant for each row of the batch", Model(fixed, added), {"ids": IDS})

    same_for_all = Input(batch_shape=(1, STEPS), dtype="int32", name="places")
    ids = ids_input()
    x = layers.Add()([embed(ids), embed(same_for_all, mask_zero=False)])
    data = {"ids": IDS, "places": np.arange(STEPS, dtype="int32")[None]}
    yield Case("batch-of-one", "One input is the same for every row", Model([ids, same_for_all], x), data)

    stateful = Input(batch_shape=(len(IDS), STEPS), dtype="int32", name="ids")
    model = Model(stateful, layers.GRU(UNITS, stateful=True)(embed(stateful)))
    yield Case("batch-of-states", "A layer that keeps states", model, {"ids": IDS})


def without_trainable():
    """Layers whose settings do not say whether they are trained, in an `.h5` file, which has no modules either."""
    ids, image = ids_input(), Input((3, 4, 2), name="image")
    amounts, volume = Input((STEPS,), name="amounts"), Input((2, 2, 2, 2), name="volume")
    x = embed(ids)
    outputs = [
        layers.LSTM(UNITS)(layers.SpatialDropout1D(0.5)(x)),
        layers.SpatialDropout2D(0.5)(image),
        layers.SpatialDropout3D(0.5)(volume),
        layers.Discretization(bin_boundaries=[-0.5, 0.0, 1.0])(amounts),
        layers.HashedCrossing(5)([ids[:, 0], ids[:, 1]]),
        layers.Pipeline([layers.Rescaling(2.0), layers.Dense(UNITS)])(x),
        ops.add(layers.Add()([amounts, amounts]), 1.0),
    ]
    data = {"ids": IDS, "amounts": X[:, :, 0], "image": numbers(5, 3, 4, 2), "volume": numbers(5, 2, 2, 2, 2, seed=1)}
    model = Model([ids, image, amounts, volume], outputs)
    return FileCase("h5-without-trainable", "Layers that do not say whether they are trained", model, data)


def not_finite():
    """Numbers that JSON lacks, and Python writes all the same."""
    x, gaps, count = Input((STEPS, 3), name="x"), Input((STEPS, 3), name="gaps"), Input((STEPS,), dtype="int32", name="count")
    nan, inf = float("nan"), float("inf")
    constant = np.array([[nan, 0.5, -inf]], "float32")
    outputs = [
        layers.GRU(UNITS, return_sequences=True)(layers.Masking(nan)(gaps)),
        layers.Masking(-inf)(gaps),
        layers.Masking(nan)(layers.Reshape((STEPS, 1))(count)),
        layers.ReLU(max_value=inf)(x),
        layers.Rescaling(1.0, offset=inf)(x),
        layers.Dense(UNITS, activation=layers.ReLU(max_value=inf))(x),
        ops.clip(x, -inf, 0.5),
        ops.where(x > 0, x, -inf),
        ops.softmax(ops.where(x > 0, x, nan)),
        ops.maximum(x, -inf),
        ops.add(count, nan),
        ops.max(x, axis=1, initial=inf),
        ops.nan_to_num(gaps, nan=inf, posinf=nan),
        ops.norm(x, ord=inf, axis=-1),
        ops.norm(x, ord=-inf, axis=-1),
        ops.norm(x, ord=inf, axis=(1, 2)),
        ops.norm(x, ord=-1, axis=(1, 2)),
        x * constant,
        ops.full_like(x, nan),
        ops.select([x > 0], [x], nan),
    ]
    missing = X.copy()
    missing[0, 2:], missing[1, 0], missing[2] = nan, -inf, nan
    missing[3, 1, 0] = nan
    data = {"x": X, "gaps": missing, "count": IDS}
    return Case("not-finite", "NaN and infinities in settings and constants", Model([x, gaps, count], outputs), data)


def join_by_backslashes(path):
    """Name the groups of the weights as Keras 2.15 did on Windows."""
    members = archive.read_members(path)
    stored = io.BytesIO(members["model.weights.h5"])
    with h5py.File(stored, "r+") as file:
        groups = []
        file.visit(lambda name: groups.append(name) if name.endswith("/vars") else None)
        for name in groups:
            joined = name.removesuffix("/vars").replace("/", "\\")
            file.move(name, f"{joined}/vars")
        del file["layers"]
    members["model.weights.h5"] = stored.getvalue()
    archive.write_members(path, members)


def backslashes():
    inner = keras.Sequential([layers.Dense(3), layers.Bidirectional(layers.LSTM(UNITS))], name="inner")
    ids = ids_input()
    model = Model(ids, layers.Dense(1)(inner(embed(ids))))
    title = "Groups of weights joined by backslashes"
    return Case("backslashes", title, model, {"ids": IDS}, finish=join_by_backslashes)


def cases():
    yield from batch_cases()
    yield without_trainable()
    yield not_finite()
    yield backslashes()
