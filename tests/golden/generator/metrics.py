"""Metrics of Keras in numbers, without a model: `metrics.json`."""

import json

import keras
import numpy as np
import tensorflow as tf
from keras.src.trainers.compile_utils import get_metric

from .losses import CLASSES, MASK, SAMPLES, SHAPE, WEIGHTS, array, bits, classes, numbers, one_hot, positive
from .losses import probabilities, shares

FLAT = (12, CLASSES)
ONE = SHAPE[:-1] + (1,)


def metric(name, /, **options):
    """A config as files have it."""
    return {"module": "keras.metrics", "class_name": name, "config": options, "registered_name": None}


def coarse(name, shape=SHAPE):
    """Probabilities with many ties, some of them exactly at thresholds."""
    return np.round(probabilities(name, shape) * 8).astype("float32") / 8


def flat(make):
    def made(name):
        return make(name, FLAT if make not in (one_hot, classes) else FLAT[:-1])

    made.__name__ = f"flat_{make.__name__}"
    return made


# Each under no mask, a mask, and a mask with weights of steps.
OVER_STEPS = [
    ("MeanSquaredError", {}, numbers, numbers),
    ("MeanAbsoluteError", {}, numbers, numbers),
    ("MeanAbsolutePercentageError", {}, numbers, numbers),
    ("MeanSquaredLogarithmicError", {}, numbers, positive),
    ("RootMeanSquaredError", {}, numbers, numbers),
    ("LogCoshError", {}, numbers, numbers),
    ("CosineSimilarity", {}, numbers, numbers),
    ("KLDivergence", {}, shares, shares),
    ("Poisson", {}, positive, positive),
    ("Hinge", {}, bits, numbers),
    ("SquaredHinge", {}, bits, numbers),
    ("CategoricalHinge", {}, one_hot, numbers),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, bits, probabilities),
    ("CategoricalCrossentropy", {}, one_hot, shares),
    ("SparseCategoricalCrossentropy", {}, classes, shares),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, classes, shares),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, classes, numbers),
    ("Accuracy", {}, bits, bits),
    ("BinaryAccuracy", {}, bits, coarse),
    ("BinaryAccuracy", {"threshold": 0.25}, bits, coarse),
    ("CategoricalAccuracy", {}, one_hot, coarse),
    ("SparseCategoricalAccuracy", {}, classes, coarse),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot, coarse),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, classes, coarse),
    ("SparseTopKCategoricalAccuracy", {}, classes, shares),
    ("Precision", {}, bits, coarse),
    ("Precision", {"thresholds": [0.25, 0.5, 0.9]}, bits, coarse),
    ("Precision", {"thresholds": [0.0, 0.5, 1.0]}, bits, coarse),
    ("Precision", {"top_k": 2}, bits, probabilities),
    ("Precision", {"class_id": 1}, bits, coarse),
    ("Recall", {}, bits, coarse),
    ("Recall", {"top_k": 1, "class_id": 2}, bits, probabilities),
    ("TruePositives", {}, bits, coarse),
    ("FalsePositives", {"thresholds": 0.7}, bits, coarse),
    ("TrueNegatives", {}, bits, coarse),
    ("FalseNegatives", {"thresholds": [0.1, 0.6]}, bits, coarse),
    ("AUC", {}, bits, probabilities),
    ("AUC", {"num_thresholds": 9}, bits, coarse),
    ("AUC", {"curve": "PR"}, bits, probabilities),
    ("AUC", {"curve": "PR", "summation_method": "majoring"}, bits, probabilities),
    ("AUC", {"curve": "PRGAIN"}, bits, probabilities),
    ("AUC", {"summation_method": "minoring", "thresholds": [0.3, 0.1, 0.8]}, bits, coarse),
    ("AUC", {"from_logits": True}, bits, numbers),
    ("AUC", {"label_weights": [1.0, 2.0, 0.5]}, bits, probabilities),
]

# Over samples, without and with weights.
OVER_SAMPLES = [
    ("AUC", {"multi_label": True}, flat(bits), flat(probabilities)),
    ("AUC", {"multi_label": True, "label_weights": [1.0, 2.0, 0.5]}, flat(bits), flat(probabilities)),
    ("AUC", {"multi_label": True, "curve": "PR", "num_labels": CLASSES}, flat(bits), flat(probabilities)),
    ("F1Score", {}, flat(one_hot), flat(shares)),
    ("F1Score", {"average": "macro"}, flat(one_hot), flat(shares)),
    ("F1Score", {"average": "micro"}, flat(one_hot), flat(shares)),
    ("F1Score", {"average": "weighted", "threshold": 0.5}, flat(bits), flat(probabilities)),
    ("FBetaScore", {"average": "weighted", "beta": 2.0}, flat(one_hot), flat(shares)),
    ("CategoricalAccuracy", {}, flat(one_hot), flat(shares)),
    ("SparseCategoricalAccuracy", {}, flat(classes), flat(shares)),
]


def value(given, y_true, y_pred, mask, weights):
    """What Keras gives."""
    y_true, y_pred = tf.constant(y_true), tf.constant(y_pred)
    if mask is not None:
        keras.src.backend.set_keras_mask(y_pred, tf.constant(mask))
    config = isinstance(given, dict)
    measured = get_metric(keras.metrics.deserialize(given) if config else given, y_true, y_pred)
    measured.update_state(y_true, y_pred, sample_weight=weights)
    return np.asarray(measured.result(), "float64").tolist()


def numeric_cases():
    """(name, metric, targets, predictions, mask, weights)"""
    for name, options, target, prediction in OVER_STEPS:
        y, p = target(name + "y"), prediction(name + "p")
        label = name + "".join(f"-{k}-{v}" for k, v in options.items())
        given = metric(name, **options)
        yield label, given, y, p, None, None
        yield f"{label}-masked", given, y, p, MASK, None
        yield f"{label}-masked-weighted", given, y, p, MASK, WEIGHTS
        yield f"{label}-all-masked", given, y, p, np.zeros_like(MASK), None
    for name, options, target, prediction in OVER_SAMPLES:
        y, p = target(name + "y"), prediction(name + "p")
        label = name + "-flat" + "".join(f"-{k}-{v}" for k, v in options.items())
        weights = np.abs(numbers(label, FLAT[:1]))
        yield label, metric(name, **options), y, p, None, None
        yield f"{label}-weighted", metric(name, **options), y, p, None, weights
    yield from shapes()


def shapes():
    """What stands for another metric by its shapes or its name, and axes that come and go."""
    for accuracy in ("accuracy", "acc"):
        yield f"{accuracy}-yes-or-no", accuracy, bits("y", ONE), probabilities("p", ONE), MASK, None
        yield f"{accuracy}-classes", accuracy, classes("y"), shares("p"), MASK, None
        yield f"{accuracy}-classes-behind", accuracy, classes("y")[..., None], shares("p"), MASK, None
        yield f"{accuracy}-one-hot", accuracy, one_hot("y"), shares("p"), MASK, None
    yield "binary-accuracy-one-short", "binary_accuracy", bits("y", ONE)[..., 0], coarse("p", ONE), MASK, WEIGHTS
    yield "mse-one-unit", "mse", numbers("y", ONE), numbers("p", ONE), MASK, WEIGHTS
    yield "mse-one-short", "mse", numbers("y", ONE)[..., 0], numbers("p", ONE), None, None
    yield "rmse-one-unit", "root_mean_squared_error", numbers("y", ONE)[..., 0], numbers("p", ONE), MASK, WEIGHTS
    yield "auc-one-unit", "auc", bits("y", ONE)[..., 0], probabilities("p", ONE), MASK, WEIGHTS
    yield "mae-samples", "mae", numbers("y"), numbers("p"), None, SAMPLES[:, 0]
    yield "mae-samples-behind", "mae", numbers("y"), numbers("p"), MASK, SAMPLES
    for alias in ("mse", "MAE", "mape", "msle", "bce", "kl_divergence", "cosine_similarity", "poisson", "hinge", "f1_score"):
        make = flat(shares) if alias == "f1_score" else shares
        yield f"named-{alias}", alias, make("y"), make("p"), None if alias == "f1_score" else MASK, None
    function = {"module": "builtins", "class_name": "function", "config": "mean_absolute_error", "registered_name": "function"}
    wrapped = metric("MeanMetricWrapper", name="far", fn=function)
    yield "wrapped", wrapped, numbers("y"), numbers("p"), MASK, None


def write_numbers(path):
    """Write all metrics in numbers, one on a line."""
    lines = []
    for name, given, y, p, mask, weights in numeric_cases():
        case = {
            "name": name,
            "metric": given,
            "y_true": array(y),
            "y_pred": array(p),
            "mask": array(mask),
            "sample_weight": array(weights),
            "expected": value(given, y, p, mask, weights),
        }
        lines.append(json.dumps({k: v for k, v in case.items() if v is not None}))
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
