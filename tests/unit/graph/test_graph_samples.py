"""Inputs made up or read from files."""

import numpy as np
import pytest

from burnish.errors import InputError, NotFoundError, ShapeError
from burnish.graph.samples import random_inputs, read_inputs
from burnish.graph.signature import DTYPES, Signature, TensorSpec
from burnish.testing import graphs


def test_made_up_inputs_fit_and_repeat():
    specs = tuple(TensorSpec(dtype, dtype, ("batch", 3)) for dtype in DTYPES)
    signature = Signature(specs, ())
    inputs = random_inputs(signature, batch=4, seed=3)
    signature.check(inputs)
    again = random_inputs(signature, batch=4, seed=3)
    assert all(np.array_equal(inputs[name], again[name]) for name in inputs)
    assert not np.array_equal(inputs["float32"], random_inputs(signature, batch=4, seed=4)["float32"])


def test_symbols_that_do_not_lead_need_a_size():
    signature = graphs.two_inputs().signature
    with pytest.raises(ShapeError, match="n"):
        random_inputs(signature)
    assert random_inputs(signature, batch=2, sizes={"n": 7})["a"].shape == (2, 7)


def test_files_are_read_by_name(tmp_path):
    a, b = np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32)
    np.savez(tmp_path / "both.npz", a=a, b=b)
    np.save(tmp_path / "a.npy", a + 1)
    signature = graphs.two_inputs().signature
    inputs = read_inputs([str(tmp_path / "both.npz"), f"a={tmp_path / 'a.npy'}"], signature)
    np.testing.assert_array_equal(inputs["a"], a + 1)
    np.testing.assert_array_equal(inputs["b"], b)


def test_bare_npy_is_for_the_one_input(tmp_path):
    np.save(tmp_path / "x.npy", np.ones(3))
    assert list(read_inputs([str(tmp_path / "x.npy")], graphs.double().signature)) == ["x"]
    with pytest.raises(InputError, match="which input"):
        read_inputs([str(tmp_path / "x.npy")], graphs.two_inputs().signature)


def test_wrong_files_are_refused(tmp_path):
    signature = graphs.double().signature
    with pytest.raises(NotFoundError):
        read_inputs([str(tmp_path / "none.npz")], signature)
    for name, content in (("prose.npz", b"not numpy"), ("cut.npz", b"PK\x03\x04"), ("empty.npy", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="not a numpy file"):
            read_inputs([f"x={tmp_path / name}"], signature)


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="plain arrays"):
        read_inputs([f"x={tmp_path / 'evil.npy'}"], graphs.double().signature)
