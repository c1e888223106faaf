import numpy as np
import pytest
from server_process import serving

from burnish.bundle import EngineChoice, PackRequest, pack
from burnish.testing import graphs

MODEL = """
<ir_version: 10, opset_import: ["" : 20]>
scale (float[batch, 4] x) => (float[batch, 4] y)
<float two = {FACTOR}>
{ y = Mul(x, two) }
"""


def scaling_graph(factor):
    """Return y = factor * x, for x of shape [batch, 4]."""
    return graphs.from_text(MODEL.replace("{FACTOR}", f"{{{factor}}}"))


def pack_scaling(path, factor):
    """Pack y = factor * x as a bundle named ``scale``."""
    request = PackRequest(
        name="scale",
        engine=EngineChoice(backend="onnxruntime", threads=1),
        golden_inputs={"x": np.arange(8, dtype=np.float32).reshape(2, 4)},
    )
    return pack(path, scaling_graph(factor), request)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """Bundles of y = x, y = 2x and y = 3x, by factor."""
    folder = tmp_path_factory.mktemp("bundles")
    for factor in (1, 2, 3):
        pack_scaling(folder / f"{factor}.burnish", float(factor))
    return {factor: folder / f"{factor}.burnish" for factor in (1, 2, 3)}


@pytest.fixture(scope="module")
def server(bundles, tmp_path_factory):
    """A server of y = 2x under the name ``scale``."""
    with serving(tmp_path_factory.mktemp("server"), bundles[2], "--request-timeout-s", "5") as running:
        yield running
