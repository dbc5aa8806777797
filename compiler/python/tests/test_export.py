"""Tests of `masque_export`: `python -m unittest` in the folder above. Any backend of Keras will do (`KERAS_BACKEND`)."""

import contextlib
import io
import json
import tempfile
import unittest
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

import masque_export
from masque_export import ExportError, export, verify
from masque_export.__main__ import load_module, main

IDS = np.array([[1, 2, 3, 4, 5], [3, 4, 5, 0, 0], [6, 0, 2, 0, 1]], "int32")


def as_input(layer, x):
    """What a layer gives, said, so that Keras need not run its `call` to build the model."""
    return keras.KerasTensor(x.shape, x.dtype)


class Calls(layers.Layer):
    """A custom layer that does what a function says with its parts."""

    def __init__(self, function, *parts, passes=False, **kwargs):
        super().__init__(**kwargs)
        self.function, self.parts, self.supports_masking = function, list(parts), passes

    def call(self, x):
        return self.function(x, *self.parts)


class Reads(layers.Layer):
    """A custom layer that is given its mask."""

    def call(self, x, mask=None):
        return ops.sum(x * ops.cast(ops.expand_dims(mask, -1), x.dtype), axis=1)


class Free(layers.Layer):
    """A layer of free weights for every form that they take."""

    def build(self, shape):
        self.square = self.add_weight(shape=(shape[-1], shape[-1]), name="square")
        self.heads = self.add_weight(shape=(shape[-1], 2, 3), name="heads")
        self.offset = self.add_weight(shape=(shape[-1],), name="offset")

    def call(self, x):
        y = self.offset + ops.matmul(x, self.square) - self.square[0] * ops.matmul(x * 2.0, self.square)
        return ops.einsum("btf,fhd->bthd", y, self.heads)


def bent(x):
    """A user's activation function."""
    return x * ops.sigmoid(x) + 0.5


def config_of(path):
    return json.loads(zipfile.ZipFile(path).read("config.json"))["config"]["layers"]


def of_class(path, name):
    return [layer for layer in config_of(path) if layer["class_name"] == name]


def mask_argument(layer, name="mask"):
    """The name of the operation whose output this layer is given as a mask, or `None`."""
    mask = layer["inbound_nodes"][0]["kwargs"].get(name)
    return mask and mask["config"]["keras_history"][0]


def model_of(*steps, length=5, mask_zero=True):
    ids = keras.Input((length,), dtype="int32", name="ids")
    x = layers.Embedding(7, 6, mask_zero=mask_zero)(ids)
    for step in steps:
        x = step(x)
    return keras.Model(ids, x)


class Exports(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = Path(self.folder, "plain.keras")
        self.enterContext(warnings.catch_warnings())
        warnings.simplefilter("ignore")

    def export(self, *steps, **options):
        model = model_of(*steps, **options)
        export(model, self.path, samples=IDS)
        return model

    def refused(self, *steps):
        """The error of a model, after which no file may be left."""
        with self.assertRaises(ExportError) as caught:
            self.export(*steps)
        self.assertEqual(list(Path(self.folder).iterdir()), [])
        return caught.exception


class Files(Exports):
    def test_an_existing_file_is_not_replaced(self):
        self.path.write_bytes(b"mine")
        with self.assertRaises(FileExistsError):
            self.export(Calls(lambda x: x * 2.0))
        self.assertEqual(self.path.read_bytes(), b"mine")
        export(model_of(Calls(lambda x: x * 2.0)), self.path, overwrite=True)
        self.assertTrue(zipfile.is_zipfile(self.path))

    def test_a_file_that_gives_other_numbers_is_not_kept(self):
        counter = iter(range(100))
        error = self.refused(Calls(lambda x: x + float(next(counter))))
        self.assertIn("differs", error.problem)

    def test_without_verification_nothing_is_compared(self):
        counter = iter(range(100))
        export(model_of(Calls(lambda x: x + float(next(counter)))), self.path, verify=False)
        self.assertTrue(self.path.exists())

    def test_the_model_is_as_before(self):
        part = layers.Dense(6)
        model = model_of(Calls(lambda x, dense: dense(x) + 1.0, part))
        before = [(layer.name, len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in model._flatten_layers()]
        function, numbers = ops.reshape, model.predict(IDS, verbose=0)
        export(model, self.path)
        after = [(layer.name, len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in model._flatten_layers()]
        self.assertEqual(before, after)
        self.assertIs(ops.reshape, function)
        np.testing.assert_array_equal(model.predict(IDS, verbose=0), numbers)

    def test_losses_are_left_out(self):
        class Lossy(Calls):
            def call(self, x):
                self.add_loss(ops.sum(x))
                return x * 2.0

        model = self.export(Lossy(None))
        self.assertEqual(len(config_of(self.path)), 3)
        model(IDS)
        self.assertEqual(len(model.losses), 1)

    def test_names_tell_the_layers_around(self):
        inner = Calls(lambda x, dense: dense(x) * 2.0, layers.Dense(6), name="whatever")
        self.export(Calls(lambda x, inner: inner(x), inner, name="block"))
        names = [layer["name"] for layer in config_of(self.path)]
        self.assertIn("block__parts_0__parts_0", names)
        self.assertIn("block__parts_0__multiply", names)

    def test_a_subclassed_model_needs_inputs(self):
        class Two(keras.Model):
            def __init__(self):
                super().__init__()
                self.head = layers.Dense(2)

            def call(self, left, right):
                return {"sum": self.head(left + right), "difference": left - right}

        model = Two()
        model(np.ones((2, 3), "float32"), np.ones((2, 3), "float32"))
        with self.assertRaisesRegex(ExportError, "pass `inputs=`"):
            export(model, self.path)
        export(model, self.path, (keras.Input((3,), name="left"), keras.Input((3,), name="right")))
        self.assertEqual([layer["name"] for layer in of_class(self.path, "InputLayer")], ["left", "right"])

    def test_the_command_line(self):
        source, classes = Path(self.folder, "model.keras"), Path(self.folder, "own.py")
        classes.write_text("import keras\nclass Twice(keras.layers.Layer):\n    def call(self, x):\n        return x * 2.0\n")
        namespace = {}
        exec(classes.read_text(), namespace | {"__name__": "own"}, namespace)
        model_of(namespace["Twice"]()).save(source)
        arguments = [str(source), "-o", str(self.path), "--objects", str(classes)]
        self.assertEqual(main(arguments), 0)
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(main(arguments), 2)
        self.assertIn("exists", said.getvalue())
        self.assertEqual(said.getvalue().count("\n"), 1)

    def test_the_command_line_loads_layers_that_take_no_settings_of_keras(self):
        """`__init__` without `**kwargs`, as in Keras' example of a transformer: Keras alone cannot load such a file."""
        source, classes = Path(self.folder, "times.keras"), Path(self.folder, "times.py")
        classes.write_text(
            "import keras\nclass Times(keras.layers.Layer):\n    def __init__(self, factor):\n        super().__init__()\n"
            "        self.factor = factor\n    def call(self, x):\n        return x * self.factor\n"
        )
        times = load_module(str(classes)).Times
        inputs = keras.Input((4,), name="x")
        keras.Model(inputs, times(3.0)(inputs)).save(source)
        self.assertEqual(main([str(source), "-o", str(self.path), "--objects", str(classes)]), 0)
        x = np.ones((2, 4), "float32")
        np.testing.assert_array_equal(keras.saving.load_model(self.path)(x), x * 3.0)


class Weights(Exports):
    def test_a_layer_called_twice_stays_one(self):
        block = Calls(lambda x, dense: dense(dense(x)), layers.Dense(6))
        self.export(block, block)
        (dense,) = of_class(self.path, "Dense")
        self.assertEqual(len(dense["inbound_nodes"]), 4)

    def test_an_activation_of_the_user_becomes_operations(self):
        dense = layers.Dense(6, activation=bent)
        self.export(dense, Calls(lambda x, dense: dense(x), dense), layers.LSTM(2))
        self.assertEqual(dense.activation, bent)
        self.assertEqual(of_class(self.path, "Dense")[0]["config"]["activation"], "linear")
        self.assertEqual(len(of_class(self.path, "Sigmoid")), 2)

    def test_free_weights_become_layers_where_they_can(self):
        model = self.export(Free(name="free"), mask_zero=False)
        (dense,), (einsum,) = of_class(self.path, "Dense"), of_class(self.path, "EinsumDense")
        self.assertEqual((dense["name"], einsum["name"]), ("free__square", "free__heads"))
        self.assertEqual(len(dense["inbound_nodes"]), 2)
        plain = keras.saving.load_model(self.path)
        np.testing.assert_array_equal(plain.get_layer("free__square").get_weights()[0], model.layers[-1].square)
        (add,) = of_class(self.path, "Add")
        self.assertEqual(add["inbound_nodes"][0]["args"][0]["class_name"][:2], "__")

    def test_the_layers_of_keras_keep_their_settings(self):
        part = layers.GRU(3, reset_after=False, recurrent_activation="hard_sigmoid")
        self.export(Calls(lambda x, gru: gru(x), part))
        (gru,) = of_class(self.path, "GRU")
        again = layers.GRU.from_config(gru["config"])
        self.assertEqual(again.get_config() | {"name": part.name}, part.get_config())


class Masks(Exports):
    def test_a_mask_passed_on_is_given_to_the_layer_behind(self):
        self.export(Calls(lambda x: x * 2.0, passes=True), layers.LSTM(2))
        self.assertTrue(mask_argument(of_class(self.path, "LSTM")[0]).startswith("not_equal"))

    def test_a_mask_ends_at_a_layer_that_knows_of_none(self):
        warnings.simplefilter("always")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.export(Calls(lambda x: x * 2.0, name="mine"), layers.LSTM(2))
        said = [str(warning.message) for warning in caught if warning.filename == __file__]
        self.assertTrue(any("'mine'" in text and "does not support masking" in text for text in said), said)
        self.assertIsNone(mask_argument(of_class(self.path, "LSTM")[0]))

    def test_a_mask_is_a_tensor_inside(self):
        self.export(Reads())
        self.assertEqual(len(of_class(self.path, "NotEqual")), 1)

    def test_attention_behind_a_layer_gets_the_mask_of_its_query(self):
        self.export(Calls(lambda x: x * 2.0, passes=True), lambda x: layers.MultiHeadAttention(2, 3)(x, x))
        (heads,) = of_class(self.path, "MultiHeadAttention")
        self.assertTrue(mask_argument(heads, "value_mask").startswith("not_equal"))
        self.assertIsNotNone(mask_argument(heads, "attention_mask"))

    def test_plain_layers_carry_their_masks_themselves(self):
        self.export(Calls(lambda x, norm, heads: heads(norm(x), norm(x)), layers.LayerNormalization(), layers.MultiHeadAttention(2, 3)))
        self.assertEqual(of_class(self.path, "MultiHeadAttention")[0]["inbound_nodes"][0]["kwargs"], {})

    def test_the_order_of_calls_decides_who_sees_a_mask(self):
        def function(x, norm, first, second, pool):
            h = norm(x)
            return ops.concatenate([pool(first(x, x)), pool(second(h, h)), pool(second(x, x))])

        heads = [layers.MultiHeadAttention(2, 3) for _ in range(2)]
        self.export(Calls(function, layers.LayerNormalization(), *heads, layers.GlobalAveragePooling1D()))

    def test_the_comparison_finds_a_lost_mask(self):
        original = masque_export.trace.Masks.before
        self.addCleanup(setattr, masque_export.trace.Masks, "before", original)
        masque_export.trace.Masks.before = lambda self, layer, args, kwargs: (args, {k: v for k, v in kwargs.items() if k != "mask"})
        self.refused(Calls(lambda x, dense, lstm: lstm(dense(x * 2.0), mask=x[:, :, 0] > 0), layers.Dense(3), layers.LSTM(2)))


class Sizes(Exports):
    """Lengths that are not fixed."""

    def test_sizes_of_a_batch_of_any_length(self):
        def function(x, dense):
            batch, length, size = ops.shape(x)
            heads = ops.reshape(x, (batch, length, 2, size // 2))
            back = ops.reshape(ops.reshape(heads, (batch, -1, size)), (-1, length, 3, 2))
            back = ops.reshape(back, (batch, length, -1))
            causal = ops.tril(ops.ones((length, length))) > 0
            scores = ops.where(causal, ops.matmul(x, ops.transpose(x, (0, 2, 1))), -1e9)
            start = ops.tile(ops.ones((1, 1, size)), (batch, 1, 1)) + ops.repeat(ops.ones((1, 1, size)), batch, axis=0)
            steps = dense(ops.cast(ops.arange(length), "float32")[:, None])
            mean = ops.sum(x, axis=1, keepdims=True) / ops.cast(length, "float32")
            return ops.matmul(ops.softmax(scores), back) + start + steps + mean + ops.zeros((batch, 1, size))

        self.export(Calls(function, layers.Dense(6)), length=None)

    def test_a_loop_over_an_open_length_is_an_error(self):
        class Loop(Calls):
            compute_output_spec = as_input

        with self.assertRaisesRegex(ExportError, "fixed shape"):
            export(model_of(Loop(lambda x: sum(x[:, t] for t in range(ops.shape(x)[1]))), length=None), self.path)


class Refusals(Exports):
    """What cannot be traced: the layer, the file, the line, what to write instead."""

    def check(self, error, problem, advice, layer="Calls"):
        self.assertIn(problem, str(error))
        self.assertIn(advice, str(error))
        self.assertIn(f"({layer})", error.layer)
        self.assertRegex(error.place, r"test_export\.py:\d+$")

    def test_control_flow_over_values(self):
        class Branch(Calls):
            def call(self, x):
                if ops.sum(x) > 0:
                    return x
                return -x

            compute_output_spec = as_input

        self.check(self.refused(Branch(None)), "boolean", "keras.ops.where", "Branch")

    def test_numpy_on_a_tensor(self):
        class Numpy(Calls):
            def call(self, x):
                return ops.convert_to_tensor(np.tanh(np.asarray(x)))

            compute_output_spec = as_input

        self.check(self.refused(Numpy(None)), "NumPy", "keras.ops", "Numpy")

    @unittest.skipUnless(keras.backend.backend() == "tensorflow", "a function of TensorFlow")
    def test_functions_of_a_backend(self):
        import tensorflow as tf

        self.check(self.refused(Calls(lambda x: tf.nn.relu(x))), "TensorFlow function", "keras.ops")

    def test_random_numbers(self):
        class Noise(Calls):
            compute_output_spec = as_input

        self.check(self.refused(Noise(lambda x: x + keras.random.normal((6,)))), "random", "if training", "Noise")

    def test_a_state_that_changes(self):
        class Counts(Calls):
            compute_output_spec = as_input

            def build(self, shape):
                self.count = self.add_weight(shape=(), name="count", trainable=False)

            def call(self, x):
                self.count.assign_add(1.0)
                return x * self.count

        self.check(self.refused(Counts(None)), "`count` is changed", "if training", "Counts")

    def test_loops_over_tensors(self):
        loop = Calls(lambda x: ops.while_loop(lambda y: ops.sum(y) < 9, lambda y: (y + 1.0,), (ops.abs(x) + 1,))[0])
        self.check(self.refused(loop), "while_loop", "keras.ops.scan")

    def test_a_wrapper_of_a_custom_layer(self):
        class Inner(Calls):
            def compute_output_shape(self, shape):
                return shape

        error = self.refused(layers.TimeDistributed(Inner(lambda x: x * 2.0, name="mine")))
        self.assertIn("`mine` (Inner)", str(error))
        self.assertIn("TimeDistributed", error.layer)

    def test_a_function_of_the_user_inside_a_recurrence(self):
        error = self.refused(layers.GRU(3, activation=bent))
        self.assertIn("bent", str(error))

    def test_an_error_of_the_layer_itself_is_shown(self):
        class Wrong(Calls):
            def call(self, x):
                raise KeyError("no such thing")

            compute_output_spec = as_input

        self.check(self.refused(Wrong(None)), "no such thing", "", "Wrong")


class Batches(unittest.TestCase):
    def test_random_batches_hold_padding(self):
        batch = verify.random_batch(keras.Input((None,), dtype="int32"), 5, 7, 0)
        self.assertTrue((batch[0] > 0).all() and (batch < 5).all())
        self.assertEqual((batch == 0).sum(axis=1).tolist(), [0, 2, 4])


if __name__ == "__main__":
    unittest.main()
