"""How Keras is set up. Import this before Keras: the variables are read only once.

One thread, no oneDNN, no GPU: floating-point sums are then taken in the same order each time.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

KERAS_VERSION = "3.15.1"

tf.config.threading.set_inter_op_parallelism_threads(1)
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.experimental.enable_op_determinism()


def require_keras(any_version=False):
    """Stop unless the Keras found is the one the recorded files come from."""
    if keras.__version__ != KERAS_VERSION and not any_version:
        raise SystemExit(
            f"these files are made with Keras {KERAS_VERSION}, this is {keras.__version__}"
            " (--any-keras goes on all the same)"
        )
