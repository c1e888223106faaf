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


def test_a_slab_that_grows_on_one_side_is_seen_by_the_other_and_keeps_what_lies_there():
    near = Slab.create("test")
    far = Slab(os.dup(near.fd))
    try:
        first = near.array("int32", [4], 0)
        first[...] = [1, 2, 3, 4]
        far.array("int32", [1 << 20], 64)[...] = 9
        assert near.array("int32", [4], 0).tolist() == [1, 2, 3, 4]
        assert (near.array("int32", [1 << 20], 64) == 9).all()
        first[0] = 7  # the earlier, smaller mapping shows the same memory
        assert far.array("int32", [4], 0)[0] == 7
        del first
    finally:
        near.close()
        far.close()


def test_arrays_outlive_a_closed_slab_and_closing_twice_is_fine():
    slab = Slab.create("test")
    array = slab.array("float64", [3], 0)
    array[...] = 2
    slab.close()
    slab.close()
    assert array.tolist() == [2, 2, 2]
