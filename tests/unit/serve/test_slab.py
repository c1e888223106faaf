"""Shared memory: what is written on one side is read on the other."""

import os
from pathlib import Path

import ml_dtypes
import numpy as np

from burnish.serve.slab import Slab, read, write


def test_arrays_of_every_kind_come_through_and_the_slab_grows():
    near = Slab.create("test")
    far = Slab(os.dup(near.fd))
    try:
        for size in (3, 3000, 300_000):
            arrays = {
                "f": np.arange(size, dtype=np.float32).reshape(1, size),
                "b": np.ones((2, 3), np.bool_),
                "h": np.array([1.5, -2], dtype=ml_dtypes.bfloat16),
                "empty": np.zeros((0, 4), np.int64),
                "scalar": np.array(7, np.int32),
                "s": np.array([["ä", ""]], dtype=object),
            }
            layout = write(near, arrays)
            assert all(item["offset"] % 64 == 0 for item in layout)
            found = read(far, layout)
            for name, array in arrays.items():
                assert found[name].shape == array.shape
                assert found[name].tolist() == array.tolist()
            del found
    finally:
        near.close()
        far.close()


def test_nothing_is_left_in_the_file_system():
    before = set(Path("/dev/shm").iterdir())
    slab = Slab.create("test")
    slab.array("float32", [1000], 0)[...] = 1
    assert set(Path("/dev/shm").iterdir()) == before
    slab.close()
