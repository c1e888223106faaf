"""Every engine that ships with burnish sits the exam."""

import pytest

from burnish.runtime.resolve import get_backend
from burnish.testing.backend_cases import BackendCases


class TestOnnxRuntime(BackendCases):
    @pytest.fixture
    def backend(self):
        return get_backend("onnxruntime")


class TestOpenVino(BackendCases):
    @pytest.fixture
    def backend(self):
        return get_backend("openvino")


class TestTorch(BackendCases):
    @pytest.fixture
    def backend(self):
        return get_backend("torch")
