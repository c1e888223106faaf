"""What an engine's words mean: engines raise plain errors, and say only in text what went wrong."""

import re

from burnish.errors import DeviceError, InputError, ShapeError

# ONNX Runtime, OpenVINO, PyTorch, CUDA, cuBLAS, HIP, Direct3D, OpenCL, XLA-like compilers, and C++ itself.
_OUT_OF_MEMORY = re.compile(
    r"bad_alloc|bad_array_new_length|failed to allocate|out of memory|out_of_memory|outofmemory|"
    r"cublas_status_alloc_failed|memoryallocation|cl_mem_object_allocation_failure|cl_out_of_resources|"
    r"can't allocate|cannot allocate|could not allocate|resource_exhausted|not enough memory|"
    r"allocation failure|exceed(?:s|ed)? (?:max|the maximum|available) ",
    re.IGNORECASE,
)
_OTHER_OUTPUT_SHAPE = re.compile(
    r"OrtValue provided for output|OrtValue shape verification failed|Could set new shape"
)


def failure(engine: str, text: str, *, refused_values: bool = False) -> DeviceError | InputError:
    """Return the error for what an engine said while running.

    Args:
        engine: Name of the back end.
        text: What it said.
        refused_values: Whether the engine blames the values that it was given.
    """
    if is_out_of_memory(text):
        return DeviceError(
            f"{engine} ran out of memory: {text}",
            hint="use a smaller batch or smaller inputs, close other sessions, or take another device",
        )
    if _OTHER_OUTPUT_SHAPE.search(text):
        return ShapeError(
            f"a result has another shape than the array given for it: {engine}: {text}",
            hint="let the run make its own outputs where their shapes are not known in advance",
        )
    if refused_values:
        return InputError(f"{engine} refused the inputs' values: {text}")
    return DeviceError(f"{engine} failed while running: {text}")


def is_out_of_memory(text: str) -> bool:
    """Tell whether an engine's words say that memory was lacking."""
    return _OUT_OF_MEMORY.search(text) is not None
