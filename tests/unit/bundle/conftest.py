import numpy as np
import pytest

from burnish.bundle import Bundle, EngineChoice, Measured, PackRequest, pack
from burnish.testing import graphs


@pytest.fixture
def request_():
    return PackRequest(
        name="digits",
        engine=EngineChoice(backend="onnxruntime"),
        golden_inputs={"x": np.arange(6, dtype=np.float32).reshape(2, 3)},
        metrics={"accuracy": Measured(value=0.98, low=0.97, high=0.99, n=500)},
        hyper_parameters={"lr": 0.1, "epochs": 3},
        evidence={"rounds": [1.5, 2.5]},
        licence="Apache-2.0",
    )


@pytest.fixture(params=["digits.burnish", "digits"])
def packed(request, tmp_path, request_) -> Bundle:
    """The same bundle as one file and as a folder."""
    return pack(tmp_path / request.param, graphs.double(), request_)


@pytest.fixture
def folder(tmp_path, request_) -> Bundle:
    return pack(tmp_path / "bundle", graphs.double(), request_)


@pytest.fixture
def archive(tmp_path, request_) -> Bundle:
    return pack(tmp_path / "bundle.burnish", graphs.double(), request_)
