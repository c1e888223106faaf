"""Memory is lent where it suits, copied where it does not."""

import gc
import weakref

import ml_dtypes
import numpy as np
import pytest

from burnish.runtime.lending import aligned_copy, aligned_empty, lend


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.bool_, ml_dtypes.bfloat16])
def test_aligned_memory_is_lent_even_when_read_only(dtype):
    array = aligned_copy(np.ones((3, 5), dtype))
    array.flags.writeable = False
    view = lend(array)
    assert view.ctypes.data == array.ctypes.data
    assert view.flags.writeable
    assert view.dtype == array.dtype
    np.testing.assert_array_equal(view, array)


def test_a_view_keeps_read_only_memory_alive():
    array = aligned_copy(np.ones(1 << 16, np.float32))
    array.flags.writeable = False
    gone = weakref.ref(array)
    part = lend(array)[1:]
    del array
    gc.collect()
    assert gone() is not None
    del part
    gc.collect()
    assert gone() is None


def test_other_memory_is_copied():
    raw = aligned_empty((65,), np.dtype(np.uint8))
    raw[...] = np.arange(65)
    copy = lend(raw[1:])
    assert copy.ctypes.data % 64 == 0
    assert not np.shares_memory(copy, raw)
    np.testing.assert_array_equal(copy, raw[1:])


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_every_shape_keeps_its_values(shape):
    array = np.full(shape, 7, np.int64)
    np.testing.assert_array_equal(lend(array), array)
