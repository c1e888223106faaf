import numpy as np
import pytest

from burnish.bundle import Bundle, EngineChoice, PackRequest, pack
from burnish.registry import Registry
from burnish.testing import graphs


@pytest.fixture(scope="session")
def bundles(tmp_path_factory) -> list[Bundle]:
    """Three versions of one model that share their graph and golden samples; each is made from the last."""
    folder = tmp_path_factory.mktemp("bundles")
    made: list[Bundle] = []
    for number in (1, 2, 3):
        request = PackRequest(
            name="m",
            engine=EngineChoice(backend="onnxruntime"),
            golden_inputs={"x": np.ones((1, 3), np.float32)},
            hyper_parameters={"number": number},
            parent=made[-1].digest if made else None,
        )
        path = folder / (f"{number}.burnish" if number % 2 else str(number))
        made.append(pack(path, graphs.double(), request))
    return made


@pytest.fixture
def registry(tmp_path):
    with Registry(tmp_path / "registry", busy_timeout_s=5) as store:
        yield store


@pytest.fixture
def filled(registry, bundles):
    for bundle in bundles:
        registry.push(bundle, actor="tester")
    return registry
