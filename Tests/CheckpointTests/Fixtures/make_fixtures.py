"""Writes the small HDF5 and safetensors files that the tests of `Checkpoint` read.

    python3 make_fixtures.py

Made with h5py 3.16.0 (HDF5 2.0.0), numpy 2.4.6, safetensors 0.8.0. Values are i/4 - 3 for i = 0, 1, …, exact in every type.
"""

import h5py
import numpy as np
from safetensors.numpy import save_file


def values(shape, dtype):
    return (np.arange(np.prod(shape, dtype=int)).reshape(shape) / 4 - 3).astype(dtype)


def bfloat16(file, path, array, **options):
    """A true bfloat16 float type, as HDF5 2.0 and this project have it."""
    type_id = h5py.h5t.IEEE_F32LE.copy()
    type_id.set_fields(15, 7, 8, 0, 7)
    type_id.set_size(2)
    type_id.set_ebias(127)
    dataset = h5py.h5d.create(file.id, path.encode(), type_id, h5py.h5s.create_simple(array.shape))
    bits = (array.astype("<f4").view("<u4") >> 16).astype("<u2")
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(bits), mtype=type_id)


for name, libver in [("h5py-default.h5", None), ("h5py-v110.h5", "v110")]:
    with h5py.File(name, "w", libver=libver) as f:
        f.attrs["format"] = "fixture"
        f.attrs["version"] = 3
        f.attrs["share"] = 0.25
        f.attrs["sizes"] = np.array([1, 2, 3], dtype="<i2")
        f.attrs["rates"] = np.array([0.5, 1.5], dtype=">f4")
        f.attrs["names"] = ["one", "zwei"]
        f.attrs["fixed"] = np.bytes_("ascii")
        f.attrs["flag"] = True
        f["a/f32"] = values((2, 3), "<f4")
        f["a/f64"] = values((2, 3), "<f8")
        f["a/f16"] = values((2, 3), "<f2")
        bfloat16(f, "/a/bf16", values((2, 3), "<f4"))
        f["a/i64"] = np.arange(4, dtype="<i8") - 2
        f["a/u8"] = np.arange(4, dtype="u1")
        f["a/scalar"] = np.float32(1.5)
        f["a/empty"] = np.zeros((0, 4), dtype="<f4")
        f["b/big"] = values((2, 3), ">f4")
        f["b/flags"] = np.array([True, False])
        bits = (values((2, 3), "<f4").view("<u4") >> 16).astype("<u2")
        f["b/marked"] = bits
        f["b/marked"].attrs["dtype"] = "BF16"
        f["b/unmarked"] = bits
        f["b/opaque"] = bits.view("V2")
        f.create_dataset("c/chunked", data=values((6, 4), "<f4"), chunks=(2, 4), fletcher32=True)
        f.create_dataset("c/gzip", data=values((6, 4), "<f4"), chunks=(4, 3), compression="gzip", shuffle=True)
        f.create_dataset("c/lzf", data=values((6, 4), "<f4"), chunks=(6, 4), compression="lzf")
        f.create_dataset("c/unwritten", shape=(6, 4), dtype="<f4")
        f.create_dataset("c/partial", shape=(6, 4), chunks=(2, 4), dtype="<f4")[0:2] = 1
        f["s/variable"] = "grüße, 世界"
        f["s/fixed"] = np.bytes_("plain")
        f["s/one"] = ["single"]
        f["s/two"] = ["first", "second"]
        f["s/empty"] = ""
        f["link"] = h5py.SoftLink("/a/f32")
        f["outside"] = h5py.ExternalLink("elsewhere.h5", "/x")

with h5py.File("h5py-latest.h5", "w", libver="latest") as f:
    f.create_dataset("new", data=values((6, 4), "<f4"), chunks=(2, 4), fletcher32=True)  # HDF5 2.0's own layout message

with h5py.File("circle.h5", "w") as f:
    f.create_group("g")
    f["g/again"] = f["g"]

save_file(
    {"w": values((2, 3), "<f4"), "h": values((2, 3), "<f2"), "n": np.arange(4, dtype="<i8"), "b": np.array([True, False])},
    "numpy.safetensors", metadata={"format": "pt"})
