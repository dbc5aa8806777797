"""Makes the HDF5 files beside it, with Keras 3.15, h5py 3.14 and numpy 2: python make_weights.py"""

import h5py
import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(1)
model = keras.Sequential([
    keras.Input((None,), dtype="int32"),
    layers.Embedding(9, 3, mask_zero=True, name="words"),
    layers.Bidirectional(layers.LSTM(2), name="reader"),
    layers.Dense(2, dtype="float16"),
    layers.Dense(2, dtype="bfloat16"),
])
model.save_weights("keras.weights.h5")

x = np.arange(6).reshape(2, 3)
with h5py.File("types.h5", "w") as f:
    for dtype in ["<f2", "<f4", ">f4", "<f8", "i1", "u1", "<i2", "<i4", ">i4", "<u4", "<i8", "<u8", "?"]:
        f[f"numbers/{dtype}"] = x.astype(dtype)
    f["scalar"] = np.int64(7)
    f["empty"] = np.zeros((0, 3), "f4")
    f.create_dataset("packed", data=np.zeros((8, 64), "f4"), chunks=(4, 64), compression="gzip", shuffle=True)
    f["text/fixed"] = np.array([b"a", "é".encode()])
    f.create_dataset("text/variable", data=["the cat", ""], dtype=h5py.string_dtype())
    f["complex"] = np.ones(2, "c8")
    f.attrs["model_config"] = '{"class_name": "Sequential"}'
    f.attrs["keras_version"] = np.bytes_("2.15.0")
    f.attrs["layer_names0"] = [b"embedding", b"lstm"]
    f.attrs["layer_names1"] = [b"dense"]
    f.attrs["number"] = 3
    f["numbers"].attrs["weight_names"] = []
    f["scalar"].attrs.create("names", ["ä", "b"], dtype=h5py.string_dtype())

with h5py.File("soft_link.h5", "w") as f:
    f["a/0"] = x
    f["b"] = h5py.SoftLink("/a")
with h5py.File("circle.h5", "w") as f:
    f.create_group("a/b")
    f["a/b/back"] = f["a"]
with h5py.File("external_link.h5", "w") as f:
    f["a"] = h5py.ExternalLink("/etc/passwd", "/")
with h5py.File("external_links_many.h5", "w", libver="latest") as f:
    for i in range(20):
        f[f"a{i}"] = h5py.ExternalLink("/etc/passwd", "/")
with h5py.File("external_data.h5", "w") as f:
    f.create_dataset("a", (8,), "u1", external=[("/etc/passwd", 0, 8)])
with h5py.File("virtual.h5", "w", libver="latest") as f:
    layout = h5py.VirtualLayout((8,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (8,))
    f.create_virtual_dataset("a", layout)
with h5py.File("huge.h5", "w") as f:
    f.create_dataset("a", (1 << 40,), "f4")
with h5py.File("huge_packed.h5", "w") as f:
    f.create_dataset("a", (1 << 40, 1024), "f4", chunks=(1024, 1024), compression="gzip")
with h5py.File("deep.h5", "w", libver="latest") as f:
    f.create_group("/".join("d" * 66))
