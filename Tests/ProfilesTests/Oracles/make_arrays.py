"""Writes small `routed_experts` arrays as NumPy saves them, for `RecordedArrayTests`.

    python make_arrays.py          (NumPy 2.4.6)

One array [5 tokens, 3 layers, 2 experts]: id = (3·token + 5·layer + 4·slot) mod 11, in several types and orders.
"""

import numpy as np

token, layer, slot = np.meshgrid(np.arange(5), np.arange(3), np.arange(2), indexing="ij")
ids = (3 * token + 5 * layer + 4 * slot) % 11
for name, array in {
    "int16": ids.astype("<i2"),
    "int32_big_endian": ids.astype(">i4"),
    "uint8_fortran": np.asfortranarray(ids.astype("u1")),
    "int64": ids.astype("<i8"),
    "uint16": ids.astype("<u2"),
}.items():
    np.save(f"routed_experts_{name}.npy", array)
np.save("expert_shares.npy", np.array([[[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]]] * 2, "<f4"))
