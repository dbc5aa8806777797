"""Every loss of Keras in numbers, without a model: `losses.json`; and models that were compiled with theirs."""

import json

import keras
import numpy as np
import tensorflow as tf
from keras import Input, Model, layers, losses, metrics

from keras.src.losses.losses import LossFunctionWrapper

from .record import Case

CLASSES = 3
SHAPE = (2, 4, CLASSES)
MASK = np.array([[1, 1, 0, 0], [1, 0, 0, 1]], bool)
WEIGHTS = np.array([[0.5, 1, 2, 1], [1, 3, 1, 0.25]], "float32")
SAMPLES = np.array([[0.5], [2.0]], "float32")


def rng(name):
    return np.random.default_rng(len(name) * 7 + ord(name[0]))


def numbers(name, shape=SHAPE):
    return rng(name).normal(size=shape).astype("float32")


def positive(name, shape=SHAPE):
    return np.abs(numbers(name, shape)) + 0.05


def bits(name, shape=SHAPE):
    return rng(name).integers(0, 2, shape).astype("float32")


def classes(name, shape=SHAPE[:-1]):
    return rng(name).integers(0, CLASSES, shape).astype("float32")


def one_hot(name, shape=SHAPE[:-1]):
    return np.eye(CLASSES, dtype="float32")[classes(name, shape).astype(int)]


def shares(name, shape=SHAPE):
    x = positive(name, shape)
    return x / x.sum(-1, keepdims=True)


def probabilities(name, shape=SHAPE):
    return (1 / (1 + np.exp(-2 * numbers(name, shape)))).astype("float32")


ELEMENTS = [
    ("MeanSquaredError", {}, numbers, numbers),
    ("MeanAbsoluteError", {}, numbers, numbers),
    ("MeanAbsolutePercentageError", {}, numbers, numbers),
    ("MeanSquaredLogarithmicError", {}, numbers, positive),
    ("CosineSimilarity", {}, numbers, numbers),
    ("Huber", {}, numbers, numbers),
    ("Huber", {"delta": 0.3}, numbers, numbers),
    ("LogCosh", {}, numbers, numbers),
    ("Hinge", {}, bits, numbers),
    ("Hinge", {}, numbers, numbers),
    ("SquaredHinge", {}, bits, numbers),
    ("CategoricalHinge", {}, one_hot, numbers),
    ("KLDivergence", {}, shares, shares),
    ("Poisson", {}, positive, positive),
    ("BinaryCrossentropy", {}, bits, probabilities),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, bits, numbers),
    ("BinaryFocalCrossentropy", {}, bits, probabilities),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.6, "gamma": 1.5}, bits, probabilities),
    ("BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, bits, numbers),
    ("CategoricalCrossentropy", {}, one_hot, positive),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, one_hot, numbers),
    ("CategoricalFocalCrossentropy", {}, one_hot, shares),
    ("CategoricalFocalCrossentropy", {"alpha": [0.25, 0.5, 1.0], "gamma": 3.0}, one_hot, shares),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.3}, one_hot, numbers),
    ("SparseCategoricalCrossentropy", {}, classes, shares),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, classes, numbers),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, classes, shares),
    ("SparseCategoricalCrossentropy", {"ignore_class": 0, "from_logits": True}, classes, numbers),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, classes, shares),
]

REDUCTIONS = ["sum_over_batch_size", "mean_with_sample_weight", "sum", "none"]


def array(value):
    if value is None:
        return None
    value = np.asarray(value, "float64")
    return {"shape": list(value.shape), "data": [float(x) for x in value.ravel()]}


def loss_of(config):
    named = isinstance(config, str)
    loss = losses.get(config) if named else keras.saving.deserialize_keras_object(config)
    return loss if isinstance(loss, losses.Loss) else LossFunctionWrapper(loss)


def value(config, y_true, y_pred, mask, sample_weight, logits):
    """What Keras gives; without a reduction, the mean that `evaluate` reports."""
    y_pred = tf.constant(y_pred)
    if mask is not None:
        keras.src.backend.set_keras_mask(y_pred, tf.constant(mask))
    if logits is not None:
        y_pred._keras_logits = tf.constant(logits)
    return float(np.mean(loss_of(config)(tf.constant(y_true), y_pred, sample_weight)))


def envelope(name, options):
    module = "keras.losses"
    return {"module": module, "class_name": name, "config": options, "registered_name": None}


def numeric_cases():
    """(name, loss, targets, predictions, mask, weights, logits)"""
    for name, options, target, prediction in ELEMENTS:
        y, p = target(name + "y"), prediction(name + "p")
        label = name + "".join(f"-{k}-{v}" for k, v in options.items())
        loss = envelope(name, options)
        yield f"{label}-{target.__name__}", loss, y, p, None, None, None
        yield f"{label}-{target.__name__}-masked", loss, y, p, MASK, None, None
    for reduction in REDUCTIONS:
        for mask in (None, MASK, np.zeros_like(MASK)):
            kind = "unmasked" if mask is None else "masked" if mask.any() else "all-masked"
            for weights in (None, WEIGHTS, SAMPLES):
                given = "" if weights is None else "-weighted" if weights is WEIGHTS else "-samples"
                loss = envelope("MeanSquaredError", {"reduction": reduction})
                y, p = numbers("ry"), numbers("rp")
                yield f"reduction-{reduction}-{kind}{given}", loss, y, p, mask, weights, None
    yield from shapes()
    yield from behind_activations()


def shapes():
    """Losses whose numbers do not stand one for each step."""
    y, p = bits("dy"), probabilities("dp")
    for name, options in (("Dice", {}), ("Tversky", {"alpha": 0.3, "beta": 0.6})):
        yield f"{name}-all", envelope(name, options), y, p, None, None, None
        yield f"{name}-all-masked", envelope(name, options), y, p, MASK, None, None
        by_step = envelope(name, {**options, "axis": [-1]})
        yield f"{name}-axis-masked", by_step, y, p, MASK, None, None
        yield f"{name}-axes", envelope(name, {**options, "axis": [1, 2]}), y, p, None, None, None
    yield "CosineSimilarity-axis", envelope("CosineSimilarity", {"axis": 1}), numbers("cy"), numbers("cp"), None, None, None
    labels, embedded = classes("circle", (6,)), numbers("circle", (6, 4))
    embedded /= np.linalg.norm(embedded, axis=-1, keepdims=True)
    for options in ({}, {"gamma": 5.0, "margin": 0.1, "remove_diagonal": False}):
        name = "Circle" + "".join(f"-{k}-{v}" for k, v in options.items())
        yield name, envelope("Circle", options), labels, embedded, None, None, None
        counted = np.array([1, 1, 0, 1, 1, 0], bool)
        yield f"{name}-masked", envelope("Circle", options), labels, embedded, counted, None, None
    spelled = np.array([[1, 2, 0, 0], [2, 2, 0, 0], [0, 0, 0, 0], [1, 1, 2, 2]], "float32")
    heard = numbers("ctc", (4, 7, CLASSES))
    yield "CTC", envelope("CTC", {}), spelled, heard, None, None, None
    yield "CTC-sum", envelope("CTC", {"reduction": "sum"}), spelled, heard, None, None, None
    yield "mse-one-unit", "mse", numbers("y", (2, 4)), numbers("p", (2, 4, 1)), None, None, None
    yield "mae-one-number", "mae", numbers("y", (5,)), numbers("p", (5, 1)), None, None, None
    for alias in ("bce", "kld", "mape", "msle", "MSE", "log_cosh", "huber", "hinge", "poisson", "KLDivergence"):
        yield f"named-{alias}", alias, shares("y"), shares("p"), MASK, None, None
    function = {"module": "builtins", "class_name": "function", "config": "mean_absolute_error", "registered_name": "function"}
    yield "function", function, numbers("y"), numbers("p"), MASK, None, None


def behind_activations():
    """Saturated probabilities, with and without what they were made of."""
    logits = 40 * numbers("logits")
    shares_of = np.asarray(keras.ops.softmax(logits))
    yes = np.asarray(keras.ops.sigmoid(logits))
    for name, y, p in (
        ("CategoricalCrossentropy", one_hot("sat"), shares_of),
        ("SparseCategoricalCrossentropy", classes("sat"), shares_of),
        ("BinaryCrossentropy", bits("sat"), yes),
        ("BinaryFocalCrossentropy", bits("sat"), yes),
        ("CategoricalFocalCrossentropy", one_hot("sat"), shares_of),
    ):
        yield f"{name}-saturated", envelope(name, {}), y, p, MASK, None, None
        yield f"{name}-saturated-logits", envelope(name, {}), y, p, MASK, None, logits
    ignoring = envelope("SparseCategoricalCrossentropy", {"ignore_class": 2})
    yield "sparse-ignoring-saturated-logits", ignoring, classes("sat"), shares_of, MASK, None, logits


def write_numbers(path):
    """Write all losses in numbers, one on a line."""
    lines = []
    for name, loss, y, p, mask, weights, logits in numeric_cases():
        case = {
            "name": name,
            "loss": loss,
            "y_true": array(y),
            "y_pred": array(p),
            "logits": array(logits),
            "mask": array(mask),
            "sample_weight": array(weights),
            "expected": value(loss, y, p, mask, weights, logits),
        }
        lines.append(json.dumps({k: v for k, v in case.items() if v is not None}))
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def embedded():
    ids = Input((4,), dtype="int32", name="ids")
    return ids, layers.Embedding(5, 2, mask_zero=True)(ids)


IDS = np.array([[1, 2, 0, 0], [3, 0, 0, 4]], "int32")


def cases():
    """Models with their own losses, and outputs that a loss looks behind."""
    ids, x = embedded()
    each = layers.Dense(CLASSES, activation="softmax", name="tag")(x)
    whole = layers.Dense(1, activation="sigmoid", name="verdict")(layers.GlobalAveragePooling1D()(x))
    rest = layers.Dense(2, name="rest")(x)
    yield Case(
        "compiled-two-outputs",
        "the losses and weights that the model was compiled with; one output has none",
        Model(ids, [each, whole, rest]),
        {"ids": IDS},
        compiled={
            "loss": [losses.SparseCategoricalCrossentropy(ignore_class=1), "binary_crossentropy", None],
            "loss_weights": [0.5, 2.0, 1.0],
        },
        target=[classes("y", (2, 4)), bits("y", (2, 1)), numbers("y", (2, 4, 2))],
    )
    ids, x = embedded()
    each = layers.Dense(CLASSES, activation="softmax", name="tag")(x)
    whole = layers.Dense(1, activation="sigmoid", name="verdict")(layers.GlobalAveragePooling1D()(x))
    yield Case(
        "compiled-metrics",
        "metrics with and without weights, under a mask that some of them do not see",
        Model(ids, [each, whole]),
        {"ids": IDS},
        compiled={
            "loss": ["sparse_categorical_crossentropy", "binary_crossentropy"],
            "metrics": [["accuracy", "sparse_categorical_crossentropy"], [metrics.AUC(), metrics.Precision(name="exact")]],
            "weighted_metrics": [["accuracy"], ["accuracy", metrics.RootMeanSquaredError()]],
        },
        target=[classes("tags", (2, 4)), bits("yy", (2, 1))],
        sample_weight=[WEIGHTS, WEIGHTS[:, 0]],
    )
    for name, ending in (
        ("dense", lambda x: layers.Dense(CLASSES, activation="softmax")(x)),
        ("dropout", lambda x: layers.Dropout(0.5)(layers.Activation("softmax")(layers.Dense(CLASSES)(x)))),
        ("reshaped", lambda x: layers.Reshape((4, CLASSES))(layers.Dense(CLASSES, activation="softmax")(x))),
        ("time-distributed", lambda x: layers.TimeDistributed(layers.Dense(CLASSES, activation="softmax"))(x)),
    ):
        ids = Input((4,), dtype="int32", name="ids")
        x = layers.Rescaling(200.0)(layers.Embedding(5, 2)(ids))
        yield Case(
            f"saturated-{name}",
            "probabilities rounded to 0 and 1: Keras looks behind a softmax that is the last step",
            Model(ids, ending(x)),
            {"ids": IDS},
            loss="categorical_crossentropy",
            target=one_hot("saturated", (2, 4)),
        )
    ids, x = embedded()
    yield Case(
        "sample-weights",
        "weights of steps under a mask",
        Model(ids, layers.Dense(CLASSES)(x)),
        {"ids": IDS},
        loss={"module": "keras.losses", "class_name": "Huber", "config": {"delta": 0.2}, "registered_name": None},
        target=numbers("weights"),
        sample_weight=WEIGHTS,
    )
