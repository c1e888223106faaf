"""What does not fit the signature is refused with: which, expected, got."""

import ml_dtypes
import numpy as np
import pytest

from burnish.errors import ShapeError
from burnish.graph import Signature, TensorSpec
from burnish.graph.signature import DTYPES, dtype_of, numpy_dtype

SIGNATURE = Signature(
    inputs=(TensorSpec("image", "float32", ("batch", 1, 8, 8)), TensorSpec("mask", "bool", ("batch", "n"))),
    outputs=(TensorSpec("scores", "float32", ("batch", 10)),),
)


def fitting(**changes):
    return {"image": np.zeros((2, 1, 8, 8), np.float32), "mask": np.zeros((2, 5), bool)} | changes


def test_what_fits_passes():
    SIGNATURE.check(fitting())
    SIGNATURE.check(fitting(image=np.zeros((2, 1, 8, 8), ">f4")))
    SIGNATURE.check(fitting(image=np.zeros((0, 1, 8, 8), np.float32), mask=np.zeros((0, 5), bool)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": np.zeros((2, 1, 8, 8))}, "'image': expected float32, got float64"),
        (
            {"image": np.zeros((1, 8, 8), np.float32)},
            r"'image': expected 4 dimensions, got shape \[1, 8, 8\]",
        ),
        ({"image": np.zeros((2, 3, 8, 8), np.float32)}, "'image': dimension 1 must be 1, got 3"),
        ({"mask": np.zeros((3, 5), bool)}, "'batch' is 2 in input 'image' but 3 in 'mask'"),
        ({"mask": np.zeros((2, 5), "complex64")}, "complex64 cannot be tensors"),
    ],
)
def test_what_differs_is_named(changes, words):
    with pytest.raises(ShapeError, match=words) as caught:
        SIGNATURE.check(fitting(**changes))
    assert caught.value.hint


def test_missing_and_unknown_names():
    with pytest.raises(ShapeError, match="'mask' is missing"):
        SIGNATURE.check({"image": fitting()["image"]})
    with pytest.raises(ShapeError, match="unknown input 'imagee'") as caught:
        SIGNATURE.check(fitting(imagee=np.zeros(1)))
    assert "'image'" in caught.value.hint


def test_batch_symbol_needs_every_leading_dimension():
    assert SIGNATURE.batch_symbol == "batch"
    fixed = Signature(SIGNATURE.inputs, (TensorSpec("one", "float32", (1,)),))
    assert fixed.batch_symbol is None


def test_dict_form_is_inverse():
    assert Signature.from_dict(SIGNATURE.to_dict()) == SIGNATURE


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_has_one_numpy_form(dtype):
    assert dtype_of(np.zeros(2, numpy_dtype(dtype))) == dtype


def test_bfloat16_and_strings_are_recognised():
    assert dtype_of(np.zeros(2, ml_dtypes.bfloat16)) == "bfloat16"
    assert dtype_of(np.array(["a", "bc"])) == "string"
