"""A result is written into the memory that was lent, or the caller is told why it cannot be."""

import numpy as np
import pytest
import torch

from burnish.errors import BurnishError, InputError
from burnish.runtime import open_session
from burnish.testing import graphs

ENGINES = ["onnxruntime", "openvino", "torch"]
X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("engine", ENGINES)
def test_memory_that_is_not_aligned_is_written_all_the_same(engine):
    odd = np.ndarray((2, 3), np.float32, bytearray(64), offset=1)
    with open_session(graphs.double(), backend=engine) as session:
        session.run({"x": X}, {"y": odd})
        np.testing.assert_array_equal(odd, X * 2)
        odd[...] = 0
        session.bind({"x": X}, {"y": odd})()
        np.testing.assert_array_equal(odd, X * 2)


class Copying:
    """Reads as an array, but never of its own memory."""

    def __array__(self, dtype=None, copy=None):
        return np.zeros((2, 3), np.float32)


@pytest.mark.parametrize("lent", [Copying(), np.float32(0), b"\0" * 24], ids=["copying", "scalar", "bytes"])
def test_what_cannot_be_written_into_is_refused(lent):
    with open_session(graphs.double()) as session, pytest.raises(BurnishError):
        session.run({"x": X}, {"y": lent})


def test_tensors_that_numpy_would_misread_are_refused():
    turned = torch.complex(torch.ones(2, 3), torch.ones(2, 3)).conj().imag
    with open_session(graphs.double()) as session:
        with pytest.raises(InputError, match="resolve_neg"):
            session.run({"x": turned})
        with pytest.raises(InputError, match="lend"):
            session.run({"x": torch.ones(2, 3, device="meta")})
