"""The exam on accelerators, and tensors in their memory that are used where they lie. Skipped without one."""

import numpy as np
import pytest

from burnish.runtime import open_session
from burnish.runtime.resolve import get_backend
from burnish.testing import graphs
from burnish.testing.backend_cases import BackendCases

pytestmark = pytest.mark.device


def ready(name, device):
    """Return a back end whose device can be used here, or skip with its reason."""
    backend = get_backend(name)
    status = next(status for status in backend.devices() if status.device == device)
    if not status.available:
        pytest.skip(status.reason)
    return backend


class AcceleratorCases(BackendCases):
    def test_operators_stay_on_the_device(self, backend, device):
        with open_session(graphs.network(), device=device, backend=backend.spec.name) as session:
            assert not [one for one in session.placement() if one.where.upper().startswith("CPU")]


def exam(name, where):
    class Case(AcceleratorCases):
        @pytest.fixture
        def backend(self):
            return ready(name, where)

        @pytest.fixture
        def device(self, backend):
            return where

    return Case


TestOnnxRuntimeCuda = exam("onnxruntime", "cuda")
TestOnnxRuntimeTensorRt = exam("onnxruntime", "tensorrt")
TestOpenVinoGpu = exam("openvino", "gpu")
TestTorchCuda = exam("torch", "cuda")


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_cuda_tensors_are_used_in_place(name):
    backend = ready("onnxruntime", "cuda")
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("the installed torch has no CUDA to make tensors with")
    x = torch.tensor([[1.0, 2.5, -3.0]], device="cuda").to(getattr(torch, name))
    y = torch.zeros_like(x)
    with open_session(graphs.same(name), device="cuda", backend=backend.spec.name) as session:
        assert session.run({"x": x}, {"y": y})["y"] is y
        assert torch.equal(x, y)
        fresh = session.run({"x": x})["y"]
        np.testing.assert_array_equal(fresh.astype(np.float32), x.float().cpu().numpy())
        bound = session.bind({"x": x}, {"y": y})
        x += 1
        bound()
        assert torch.equal(x, y)
