"""Makes the arrays beside it, as numpy 2 saves them: python make_arrays.py"""

import numpy as np

x = np.arange(6).reshape(2, 3)
text = np.array([["the cat", ""], ["über", "😀"]])


def save(name, array, version=None):
    with open(f"{name}.npy", "wb") as file:
        np.lib.format.write_array(file, array, version=version)


save("f4", x.astype("<f4"))
save("f2", x.astype("<f2"))
save("f4_big_fortran", np.asfortranarray(x.astype(">f4")))
save("f4_version2", x.astype("<f4"), (2, 0))
save("f4_version3", x.astype("<f4"), (3, 0))
save("i1", x.astype("i1"))
save("u1", x.astype("u1"))
save("u2_big", x.astype(">u2"))
save("i4_fortran", np.asfortranarray(x.astype("<i4")))
save("u4", x.astype("<u4"))
save("u8", x.astype("<u8"))
save("i8_big", x.astype(">i8"))
save("bool", x % 2 == 1)
save("text_fortran", np.asfortranarray(text.astype("<U7")))
save("text_big", text.astype(">U7"))
save("bytes", np.char.encode(text, "utf-8"))

ragged = np.array([[1], [2, 3]], dtype=object)
save("objects", ragged)
np.savez("objects.npz", ragged=ragged)
arrays = {"ids": np.array([[4, 2, 0], [7, 0, 0]]), "text": np.array([["a dog"], ["über"]])}
np.savez("stored.npz", **arrays)
np.savez_compressed("deflated.npz", **arrays)
