"""The preprocessing layers: look-ups, hashes, categories, pipelines, images and sound.

Words go in as text; what comes out is numbers, so an inverse look-up is looked up once more.
"""

from functools import partial

import numpy as np
from keras import Input, Model, layers

from .record import Case

WORDS = [["a", "b", "c", "a"], ["", "zebra", "a", "Grüße"], ["d", "a quite long word indeed", "b", ""]]
KNOWN = [["a", "b"], ["c", ""], ["b", "c"]]
LONG = "The quick brown fox jumps over the lazy dog, then turns around and does it all over again"
NUMBERS = np.array([[10, 20, 30, 10], [0, -7, 99, 20], [-1, 123456, 30, 0]], "int32")


def text_input(name="words", size=4):
    return Input((size,), dtype="string", name=name)


def number_input(name="numbers", size=4, dtype="int32"):
    return Input((size,), dtype=dtype, name=name)


def image_input(name="images", shape=(4, 6, 3), dtype="float32"):
    return Input(shape, dtype=dtype, name=name)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def pixels(*shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


# Look-ups -----------------------------------------------------------------------------------------


def string_lookup():
    def look_up(**options):
        return layers.StringLookup(vocabulary=["a", "b", "c"], **options)

    words, known, numbered = text_input(), text_input("known", 2), number_input()
    back = look_up(invert=True, mask_token="")(numbered)
    outputs = [
        look_up()(words),
        look_up(mask_token="")(words),
        look_up(num_oov_indices=2)(words),
        look_up(num_oov_indices=3, mask_token="", salt=[133, 137])(words),
        look_up(num_oov_indices=5, salt=-3, output_mode="count")(words),
        look_up(output_mode="one_hot")(words),
        look_up(output_mode="multi_hot", mask_token="")(words),
        look_up(output_mode="count", max_tokens=9, pad_to_max_tokens=True)(words),
        look_up(output_mode="tf_idf", idf_weights=[0.5, 0.25, 1.0], num_oov_indices=2)(words),
        look_up(num_oov_indices=0, mask_token="")(known),
        layers.StringLookup(vocabulary=["", "[UNK]", "b", "a"], mask_token="")(words),
        layers.StringLookup(vocabulary=["c", "[UNK]", "", "b"])(back),
    ]
    inputs = {"words": WORDS, "known": KNOWN, "numbers": np.array([[0, 1, 2, 3], [4, 5, -1, 2], [3] * 4], "int32")}
    title = "StringLookup: modes, mask token, unknown tokens, salt, weights, inverse"
    return Case("string-lookup", title, Model([words, known, numbered], outputs), inputs)


def string_lookup_adapted():
    """The vocabulary is an asset of the archive then, the weights a dataset."""
    words, column = text_input(), text_input("column", 1)
    seen = np.array([["a", "b"], ["b", "b"], ["Grüße", "b"], ["d", "a"]])
    adapted = [
        layers.StringLookup(mask_token=""),
        layers.StringLookup(num_oov_indices=2, output_mode="multi_hot"),
        layers.StringLookup(num_oov_indices=2, output_mode="tf_idf"),
    ]
    for layer in adapted:
        layer.adapt(seen)
    one_hot = layers.StringLookup(vocabulary=["d", "a"], output_mode="one_hot")
    outputs = [*[layer(words) for layer in adapted], one_hot(column)]
    inputs = {"words": WORDS, "column": [["a"], ["d"], ["e"]]}
    title = "StringLookup: adapted; one_hot of one word each"
    return Case("string-lookup-adapted", title, Model([words, column], outputs), inputs)


def integer_lookup():
    def look_up(**options):
        return layers.IntegerLookup(vocabulary=[10, 20, 30], **options)

    x, numbered = number_input(), number_input("numbered")
    adapted = layers.IntegerLookup(mask_token=0)
    adapted.adapt(np.array([[3, 10, 10], [0, -7, -7]]))
    outputs = [
        look_up()(x),
        look_up(mask_token=0)(x),
        look_up(num_oov_indices=3)(x),
        look_up(num_oov_indices=4, oov_method="farmhash", mask_token=-1)(x),
        look_up(num_oov_indices=4, oov_method="farmhash", salt=[7, 9])(x),
        look_up(output_mode="one_hot", mask_token=0)(x),
        look_up(output_mode="multi_hot", num_oov_indices=2)(x),
        look_up(output_mode="count", mask_token=0)(x),
        look_up(output_mode="tf_idf", idf_weights=[0.5, 0.25, 1.0])(x),
        look_up(invert=True, mask_token=0)(numbered),
        look_up(invert=True, num_oov_indices=0)(numbered),
        adapted(x),
    ]
    inputs = {"numbers": NUMBERS, "numbered": np.array([[0, 1, 2, 3], [4, 5, -1, 2], [3] * 4], "int32")}
    title = "IntegerLookup: modes, mask token, unknown integers, inverse, adapted"
    return Case("integer-lookup", title, Model([x, numbered], outputs), inputs)


# Hashes and categories ----------------------------------------------------------------------------


def hashing():
    words, x, real = text_input(), number_input(), number_input("real", dtype="float32")
    outputs = [
        layers.Hashing(7)(words),
        layers.Hashing(5, salt=[133, 137])(words),
        layers.Hashing(5, salt=-4)(x),
        layers.Hashing(4, mask_value="")(words),
        layers.Hashing(4, mask_value=10, dtype="int32")(x),
        layers.Hashing(1, mask_value=10)(x),
        layers.Hashing(6)(real),
        layers.Hashing(6, output_mode="one_hot")(words),
        layers.Hashing(3, output_mode="multi_hot")(words),
        layers.Hashing(3, output_mode="count", mask_value="a")(words),
    ]
    inputs = {
        "words": [[LONG, LONG[:64], LONG[:65], "a"], *WORDS[1:]],
        "numbers": NUMBERS,
        "real": np.array([[10.2, 20.7, -3.9, 1e6], [0, 1, 2, 3], [4, 5, 6, 7]], "float32"),
    }
    return Case("hashing", "Hashing: texts and numbers, salt, masked value, modes", Model([words, x, real], outputs), inputs)


def hashed_crossing():
    a, b = text_input("a", 1), text_input("b", 1)
    x, flat = number_input("x", 1), Input((), dtype="int64", name="flat")
    outputs = [
        layers.HashedCrossing(6)((a, b)),
        layers.HashedCrossing(50)((a, x)),
        layers.HashedCrossing(50)((x, x)),
        layers.HashedCrossing(5, output_mode="one_hot")((a, b)),
        layers.HashedCrossing(40)((flat, flat)),
    ]
    inputs = {
        "a": [["a"], ["b"], [LONG]],
        "b": [["c"], ["d"], [""]],
        "x": np.array([[1], [-2], [30]], "int32"),
        "flat": np.array([4, -5, 6], "int64"),
    }
    return Case("hashed-crossing", "HashedCrossing: texts, integers, both", Model([a, b, x, flat], outputs), inputs)


def category_encoding():
    x, column = number_input(size=3), number_input("column", 1)
    cube, weights = Input((2, 3), dtype="int32", name="cube"), number_input("weights", 3, "float32")
    outputs = []
    for mode in ("one_hot", "multi_hot", "count"):
        encode = layers.CategoryEncoding(4, mode)
        outputs += [encode(x), encode(column), encode(cube)]
    outputs.append(layers.CategoryEncoding(4, "count")(x, count_weights=weights))
    inputs = {
        "numbers": np.array([[0, 1, 1], [3, 7, 2]], "int32"),
        "column": np.array([[2], [9]], "int32"),
        "cube": np.array([[[0, 1, 1], [3, -1, 2]], [[3, 3, 5], [1, 1, 0]]], "int32"),
        "weights": np.array([[0.5, 0.25, 1.0], [2.0, 3.0, -1.0]], "float32"),
    }
    title = "CategoryEncoding: modes, one to three axes, weights"
    return Case("category-encoding", title, Model([x, column, cube, weights], outputs), inputs)


def discretization():
    x, column = number_input("x", 5, "float32"), number_input("column", 1)
    adapted = layers.Discretization(num_bins=3)
    adapted.adapt(np.arange(10.0))
    outputs = [adapted(x)]
    for mode in ("int", "one_hot", "multi_hot", "count"):
        bins = layers.Discretization([-1.0, 0.0, 0.7], output_mode=mode)
        outputs += [bins(x), bins(column)]
    inputs = {
        "x": np.array([[-2, -1, 0, 0.7, 5], [0.3, np.nan, 3.4, -0.5, 6]], "float32"),
        "column": np.array([[0], [-3]], "int32"),
    }
    return Case("discretization", "Discretization: given and adapted, modes", Model([x, column], outputs), inputs)


def categories_masked():
    """All of them lose a mask."""
    ids = number_input("ids")
    x = layers.Masking()(layers.Embedding(5, 3)(ids))
    outputs = [
        layers.Discretization([0.0, 0.02])(x),
        layers.Hashing(4)(x),
        layers.IntegerLookup(vocabulary=[1, 2])(x),
        layers.Normalization(mean=0.5, variance=2.0, invert=True)(x),
        layers.Rescaling([1.0, 2.0, 3.0], offset=0.5)(x),
    ]
    inputs = {"ids": np.array([[1, 2, 0, 4], [3, 0, 0, 0]], "int32")}
    title = "numeric preprocessing behind Masking"
    return Case("categories-masked", title, Model(ids, outputs), inputs)


# Images -------------------------------------------------------------------------------------------

AUGMENTATIONS = [
    lambda: layers.AugMix(),
    lambda: layers.CutMix(),
    lambda: layers.MaxNumBoundingBoxes(4),
    lambda: layers.MixUp(),
    lambda: layers.RandAugment(),
    lambda: layers.RandomBrightness(0.2),
    lambda: layers.RandomColorDegeneration(0.2),
    lambda: layers.RandomColorJitter(),
    lambda: layers.RandomContrast(0.2),
    lambda: layers.RandomCrop(3, 3),
    lambda: layers.RandomElasticTransform(),
    lambda: layers.RandomErasing(),
    lambda: layers.RandomFlip(),
    lambda: layers.RandomGaussianBlur(),
    lambda: layers.RandomGrayscale(0.5),
    lambda: layers.RandomHue(0.1),
    lambda: layers.RandomInvert(),
    lambda: layers.RandomPerspective(),
    lambda: layers.RandomPosterization(4),
    lambda: layers.RandomRotation(0.2),
    lambda: layers.RandomSaturation(0.2),
    lambda: layers.RandomSharpness(0.2),
    lambda: layers.RandomShear((0.0, 0.2), (0.0, 0.2)),
    lambda: layers.RandomTranslation(0.2, 0.2),
    lambda: layers.RandomZoom(0.2),
    lambda: layers.Solarization(0.2, 0.2),
]


def augmentations():
    x, whole = image_input(), image_input("whole", dtype="int32")
    outputs = [make()(x) for make in AUGMENTATIONS] + [make()(whole) for make in AUGMENTATIONS]
    inputs = {"images": pixels(2, 4, 6, 3), "whole": pixels(2, 4, 6, 3, seed=1, dtype="int32")}
    title = "image layers that are random while training only"
    return Case("image-augmentation", title, Model([x, whole], outputs), inputs)


def augmentations_masked():
    x = image_input()
    masked = layers.Masking()(x)
    data = pixels(2, 4, 6, 3)
    data[0, 1:] = 0
    outputs = [make()(masked) for make in AUGMENTATIONS]
    title = "image layers behind Masking: Keras warns, and the mask comes through"
    return Case("image-augmentation-masked", title, Model(x, outputs), {"images": data})


def resizing():
    x, tall = image_input(), image_input("tall", (7, 3, 2))
    sizes = [(3, 4), (8, 9), (5, 5), (4, 6)]
    methods = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5")
    outputs = [layers.Resizing(*size, method)(x) for method in methods for size in sizes]
    for options in (
        {"antialias": True},
        {"antialias": True, "interpolation": "bicubic"},
        {"antialias": True, "interpolation": "lanczos3"},
        {"crop_to_aspect_ratio": True},
        {"pad_to_aspect_ratio": True, "fill_value": 7.0},
    ):
        outputs += [layers.Resizing(3, 5, **options)(x), layers.Resizing(5, 3, **options)(tall)]
    inputs = {"images": pixels(2, 4, 6, 3), "tall": numbers(2, 7, 3, 2, seed=1)}
    return Case("resizing", "Resizing: methods, up and down, aspect ratios", Model([x, tall], outputs), inputs)


def resizing_kinds():
    whole, first = image_input("whole", dtype="int32"), image_input("first", (3, 4, 6))
    single = Input(batch_shape=(4, 6, 3), name="single")
    outputs = [
        layers.Resizing(3, 4)(whole),
        layers.Resizing(8, 3, "area")(whole),
        layers.Resizing(4, 6)(whole),
        layers.Resizing(3, 4, data_format="channels_first")(first),
        layers.Resizing(2, 9, data_format="channels_first", crop_to_aspect_ratio=True)(first),
        layers.Resizing(3, 4)(single),
        layers.CenterCrop(3, 3)(whole),
        layers.CenterCrop(2, 5, data_format="channels_first")(first),
        layers.CenterCrop(6, 5)(whole),
        layers.CenterCrop(3, 3)(single),
    ]
    inputs = {
        "whole": pixels(2, 4, 6, 3, dtype="int32"),
        "first": pixels(2, 3, 4, 6, seed=1),
        "single": pixels(4, 6, 3, seed=2),
    }
    title = "Resizing and CenterCrop: integers, channels first, one image, too small"
    return Case("resizing-kinds", title, Model([whole, first, single], outputs), inputs)


def image_masked():
    x = image_input()
    masked = layers.Masking()(x)
    data = pixels(2, 4, 6, 3)
    data[0, 1:] = 0
    outputs = [layers.Resizing(4, 6)(masked), layers.CenterCrop(4, 6)(masked), layers.AutoContrast()(masked)]
    title = "image layers that lose a mask"
    return Case("image-masked", title, Model(x, outputs), {"images": data})


def auto_contrast():
    x, whole = image_input(), image_input("whole", dtype="int32")
    outputs = [
        layers.AutoContrast()(x),
        layers.AutoContrast(value_range=(-1, 1))(x),
        layers.AutoContrast()(whole),
    ]
    data = numbers(2, 4, 6, 3)
    data[0, :, :, 1] = 0.25
    inputs = {"images": data, "whole": pixels(2, 4, 6, 3, dtype="int32")}
    title = "AutoContrast: ranges, integers, a channel of one colour"
    return Case("auto-contrast", title, Model([x, whole], outputs), inputs)


def histogram_equalization():
    """Tiles that fit and tiles that do not, no limit, integers, channels before the others, images of any size, one image."""
    equalization = layers.ContrastLimitedAdaptiveHistogramEqualization
    x, whole = image_input(), image_input("whole", dtype="int32")
    any_size = Input((None, None, 2), name="any_size")
    one = Input((5, 2), name="one")
    outputs = [
        equalization()(whole),
        equalization(value_range=(0, 1), clip_limit=2, tile_grid_size=(2, 3))(x),
        equalization(value_range=(2, -2), clip_limit=0, tile_grid_size=(3, 4))(x),
        equalization(tile_grid_size=(2, 1), data_format="channels_first")(whole),
        equalization(clip_limit=40, tile_grid_size=(3, 2))(any_size),
        equalization(tile_grid_size=(2, 2))(one),
    ]
    inputs = {
        "images": numbers(2, 4, 6, 3),
        "whole": pixels(2, 4, 6, 3, dtype="int32"),
        "any_size": pixels(2, 7, 5, 2) + 0.5,
        "one": pixels(4, 5, 2),
    }
    inputs["any_size"][0, 0, :2] = [[-3, 300], [1e6, -1e6]]
    title = "CLAHE: tiles, limits, ranges, integers, an image of any size"
    return Case("histogram-equalization", title, Model([x, whole, any_size, one], outputs), inputs)


# Sound --------------------------------------------------------------------------------------------


def stft_spectrogram():
    """Without a window, for which Keras needs scipy; it is in the kernels, which are random numbers here."""
    x, free = Input((20, 2), name="x"), Input((None, 2), name="free")
    spectrogram = partial(layers.STFTSpectrogram, window=None)
    modes = ("log", "magnitude", "psd", "real", "imag", "stft")
    outputs = [spectrogram(mode, frame_length=6)(x) for mode in modes]
    outputs += [
        spectrogram("stft", frame_length=6, expand_dims=True, padding="same")(x),
        spectrogram("psd", 5, frame_step=2, fft_length=8)(free),
    ]
    inputs = {"x": numbers(2, 20, 2), "free": numbers(2, 11, 2, seed=1)}
    title = "STFTSpectrogram: modes, padding, order of axes"
    return Case("stft-spectrogram", title, Model([x, free], outputs), inputs)


def mel_spectrogram():
    x, free = Input((40,), name="x"), Input((None,), name="free")
    small = {"fft_length": 16, "sequence_stride": 5, "num_mel_bins": 4, "sampling_rate": 8000}
    outputs = [
        layers.MelSpectrogram(**small)(x),
        layers.MelSpectrogram(**small, power_to_db=False)(x),
        layers.MelSpectrogram(**small, sequence_length=9, window="hamming", max_freq=3000.0)(x),
        layers.MelSpectrogram(**small, window=None, mag_exp=1.0, top_db=10.0, ref_power=2.0)(free),
    ]
    inputs = {"x": numbers(3, 40), "free": numbers(3, 23, seed=1)}
    title = "MelSpectrogram: windows, decibels, a length that only the run knows"
    return Case("mel-spectrogram", title, Model([x, free], outputs), inputs)


def pipeline():
    x = image_input()
    # Keras cannot put an Equalization into a model but so.
    steps = [
        layers.Rescaling(1 / 255),
        layers.Equalization(),
        layers.RandomFlip(),
        layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0]),
    ]
    kernels = layers.Pipeline([layers.Dense(2), layers.Dense(3, activation="relu"), layers.Rescaling(2.0)])
    lost = layers.Pipeline([layers.RandomZoom(0.1), layers.Flatten()])
    born = layers.Pipeline([layers.Masking(), layers.Rescaling(2.0)])
    masked = layers.Masking()(x)
    outputs = [layers.Pipeline(steps)(masked), kernels(x), lost(masked), born(x)]
    data = pixels(2, 4, 6, 3)
    data[0, 1:] = 0
    return Case("pipeline", "Pipeline: masks and weights of its layers", Model(x, outputs), {"images": data})


# Activations --------------------------------------------------------------------------------------


def activations():
    x = Input((3, 4), name="x")
    functions = [
        layers.ReLU(3.0, negative_slope=0.1, threshold=0.2),
        layers.LeakyReLU(0.3),
        layers.ELU(0.7),
        layers.Softmax(axis=1),
        layers.Activation("gelu"),
    ]
    outputs = [layers.Dense(2, activation=function)(x) for function in functions]
    outputs += [
        layers.Dense(6, activation="glu")(x),
        layers.Conv1D(4, 2, activation="glu")(x),
        layers.Activation(layers.ELU(0.3))(x),
        layers.Activation("glu")(x),
    ]
    title = "layers as activation functions, and gated linear units"
    return Case("activations", title, Model(x, outputs), {"x": numbers(2, 3, 4)})


def cases():
    yield string_lookup()
    yield string_lookup_adapted()
    yield integer_lookup()
    yield hashing()
    yield hashed_crossing()
    yield category_encoding()
    yield discretization()
    yield categories_masked()
    yield augmentations()
    yield augmentations_masked()
    yield resizing()
    yield resizing_kinds()
    yield image_masked()
    yield auto_contrast()
    yield histogram_equalization()
    yield stft_spectrogram()
    yield mel_spectrogram()
    yield pipeline()
    yield activations()
