"""Every layer under a mask that is right-padded, has a gap, or holds nothing valid; and without one.

`tests/golden_coverage.rs` asks for these of each class; a layer that other areas show under all of them is not
repeated here. Most of these layers lose the mask, of which Keras warns. A line in the table of the right kind of input
is a new fixture. Sizes differ along the axes, so that they can't be mistaken.
"""

import numpy as np
from keras import Input, Model, layers

from .preprocessing import AUGMENTATIONS
from .record import Case


def padding(steps):
    """One row of each kind: nothing padded, padded on the right, a gap, nothing but padding."""
    mask = np.ones((4, steps), bool)
    mask[1, steps // 2 :] = False
    mask[2, 1 : steps - 1] = False
    mask[3] = False
    return mask


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def with_mask(x, mask):
    """`x` with a mask of one's own, over the steps.

    Texts and numbers that are steps themselves can get one only from a model inside: it takes a mask for its input, and
    this one gives back its input. Keras' graph does not know of that mask, only the run does.
    """
    if len(x.shape) > 2:
        return layers.TimeDistributed(layers.Identity())(x, mask=mask)
    inner = Input(x.shape[1:], dtype=x.dtype)
    return Model(inner, inner)(x, mask=mask)


def under_masks(name, title, makers, *data):
    """Each layer called with a mask, and another one of the kind without; of as many inputs as there are data.

    The mask may stay on the input that it was hung on, so what has none is an input of its own.
    """
    kinds = ["string" if isinstance(values, list) else values.dtype.name for values in data]

    def inputs(prefix):
        shapes = [np.shape(values)[1:] for values in data]
        return [Input(shape, dtype=kind, name=f"{prefix}_{i}") for i, (shape, kind) in enumerate(zip(shapes, kinds))]

    padded, plain = inputs("padded"), inputs("plain")
    mask = Input(np.shape(data[0])[1:2], dtype="bool", name="mask")
    masked = [with_mask(x, mask) for x in padded]
    arguments = [xs[0] if len(data) == 1 else xs for xs in (masked, plain)]
    outputs = [make()(x) for make in makers for x in arguments]
    values = {x.name: value for xs in (padded, plain) for x, value in zip(xs, data)}
    values["mask"] = padding(mask.shape[1])
    return Case(name, title, Model([*padded, *plain, mask], outputs), values)


STEPS = [
    lambda: layers.AdaptiveAveragePooling1D(2),
    lambda: layers.AdaptiveMaxPooling1D(2),
    lambda: layers.AveragePooling1D(2),
    lambda: layers.Conv1D(2, 2),
    lambda: layers.Conv1DTranspose(2, 2),
    lambda: layers.Cropping1D(1),
    lambda: layers.DepthwiseConv1D(2),
    lambda: layers.GlobalMaxPooling1D(),
    lambda: layers.MaxPooling1D(2),
    lambda: layers.Permute((2, 1)),
    lambda: layers.Reshape((2, 6)),
    lambda: layers.SeparableConv1D(2, 2),
    lambda: layers.UpSampling1D(2),
    lambda: layers.ZeroPadding1D(1),
]

PLANES = [
    lambda: layers.AdaptiveAveragePooling2D((2, 1)),
    lambda: layers.AdaptiveMaxPooling2D((2, 1)),
    lambda: layers.AveragePooling2D(2),
    lambda: layers.Conv2D(2, 2),
    lambda: layers.Conv2DTranspose(2, 2),
    lambda: layers.Cropping2D(((1, 1), (0, 1))),
    lambda: layers.DepthwiseConv2D(2),
    lambda: layers.GlobalAveragePooling2D(),
    lambda: layers.GlobalMaxPooling2D(),
    lambda: layers.MaxPooling2D(2),
    lambda: layers.SeparableConv2D(2, 2),
    lambda: layers.SpatialDropout2D(0.3),
    lambda: layers.UpSampling2D(2),
    lambda: layers.ZeroPadding2D(1),
]

VOLUMES = [
    lambda: layers.AdaptiveAveragePooling3D((2, 1, 1)),
    lambda: layers.AdaptiveMaxPooling3D((2, 1, 1)),
    lambda: layers.AveragePooling3D(2),
    lambda: layers.Conv3D(2, 2),
    lambda: layers.Conv3DTranspose(2, 2),
    lambda: layers.Cropping3D(((1, 1), (0, 1), (1, 0))),
    lambda: layers.GlobalAveragePooling3D(),
    lambda: layers.GlobalMaxPooling3D(),
    lambda: layers.MaxPooling3D(2),
    lambda: layers.SpatialDropout3D(0.3),
    lambda: layers.UpSampling3D((2, 1, 1)),
    lambda: layers.ZeroPadding3D((1, 0, 0)),
]

IMAGES = [
    *AUGMENTATIONS,
    lambda: layers.AutoContrast(),
    lambda: layers.CenterCrop(2, 1),
    lambda: layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 1)),
    lambda: layers.Pipeline([layers.Rescaling(2.0), layers.RandomFlip()]),
    lambda: layers.Resizing(3, 4),
]

IDS = [
    lambda: layers.CategoryEncoding(5, "multi_hot"),
    lambda: layers.Discretization([1.0, 3.0]),
    lambda: layers.Embedding(5, 2),
    lambda: layers.Embedding(5, 2, mask_zero=True),
    lambda: layers.Hashing(5),
    lambda: layers.IntegerLookup(vocabulary=[1, 2]),
]

TEXTS = [
    lambda: layers.Hashing(5),
    lambda: layers.StringLookup(vocabulary=["a", "b"]),
    lambda: layers.TextVectorization(vocabulary=["a", "b"], split=None),
    lambda: layers.TextVectorization(vocabulary=["a", "a b"], split=None, ngrams=2),
    lambda: layers.TextVectorization(vocabulary=["a", "b"], split=None, output_sequence_length=6),
    lambda: layers.TextVectorization(vocabulary=["a", "a b"], split=None, ngrams=2, output_mode="count"),
]


def images():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 2, 3)).astype("float32")
    return under_masks("images", "layers for images", IMAGES, pixels)


def cases():
    yield under_masks("steps", "convolutions, poolings, shapes along time", STEPS, numbers(4, 4, 3))
    yield under_masks("planes", "convolutions, poolings, shapes along two axes", PLANES, numbers(4, 4, 2, 3))
    yield under_masks("volumes", "convolutions, poolings, shapes along three axes", VOLUMES, numbers(4, 4, 2, 2, 3))
    yield images()
    ids = np.array([[1, 2, 3, 4], [4, 2, 0, 0], [3, 0, 0, 1], [0, 1, 0, 2]], "int32")
    yield under_masks("ids", "layers for whole numbers", IDS, ids)
    words = [["a", "B", "c", "a"], ["b", "a", "", ""], ["c", "", "", "b"], ["", "a", "", ""]]
    yield under_masks("texts", "layers for texts", TEXTS, words)
    yield under_masks("vectors", "a mask on vectors", [lambda: layers.RepeatVector(2)], numbers(4, 5))
    mel = {"fft_length": 8, "sequence_stride": 5, "num_mel_bins": 3, "sampling_rate": 8000}
    yield under_masks("sound-mel", "MelSpectrogram", [lambda: layers.MelSpectrogram(**mel)], numbers(4, 12))
    stft = {"window": None, "frame_length": 4}
    yield under_masks("sound-stft", "STFTSpectrogram", [lambda: layers.STFTSpectrogram(**stft)], numbers(4, 10, 2))
    crossed = [np.array([[1], [-2], [30], [4]], "int32"), np.array([[7], [0], [-1], [2]], "int32")]
    yield under_masks("crossing", "HashedCrossing: one step", [lambda: layers.HashedCrossing(5)], *crossed)
