"""Engines' words become burnish's errors."""

import pytest

from burnish.errors import DeviceError, InputError, ShapeError
from burnish.runtime.failures import failure, is_out_of_memory

LACK = [
    "std::bad_alloc",
    "Failed to allocate memory for requested buffer of size 70368744177664",
    "CUDA failure 2: out of memory ; GPU=0 ; hostname=x",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory",
    "hipErrorOutOfMemory",
    "[GPU] clEnqueueNDRangeKernel, error code: -4 CL_MEM_OBJECT_ALLOCATION_FAILURE",
    "RESOURCE_EXHAUSTED; failed to allocate 1099511627776 bytes",
    "8007000E E_OUTOFMEMORY: Not enough memory resources are available",
]


@pytest.mark.parametrize("text", LACK)
def test_lack_of_memory_is_told_with_what_to_do(text):
    error = failure("engine", text, refused_values=True)
    assert isinstance(error, DeviceError)
    assert "ran out of memory" in error.message
    assert text in error.message
    assert "batch" in error.hint


@pytest.mark.parametrize(
    "text",
    [
        "indices element out of data bounds, idx=9",
        "no memory format matches",
        "the shape of input data conflicts",
    ],
)
def test_other_words_are_not_taken_for_it(text):
    assert not is_out_of_memory(text)
    assert type(failure("engine", text)) is DeviceError
    assert type(failure("engine", text, refused_values=True)) is InputError


def test_results_that_do_not_fit_are_shape_errors():
    text = "The output OrtValue provided for output 'y' of node '' (Expand) has shape {2} but the computed is {3}"
    assert isinstance(failure("onnxruntime", text), ShapeError)
