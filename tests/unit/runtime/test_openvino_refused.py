"""What OpenVINO answers wrongly without an error is refused by name; what it does right is not."""

import numpy as np
import pytest

pytest.importorskip("openvino")

from burnish.errors import UnsupportedOpError
from burnish.testing.graphs import from_text


def graph(inputs, outputs, body):
    return from_text(f'<ir_version: 10, opset_import: ["" : 20]> g ({inputs}) => ({outputs}) {{ {body} }}')


@pytest.mark.parametrize(
    ("operator", "refused"),
    [
        ("Tile", graph("float[2, 3] x, int64[2] n", "float[a, b] y", "y = Tile(x, n)")),
        (
            "BitShift",
            graph(
                "int32[n] x, int32[n] s",
                "int32[n] y",
                'y = BitShift <direction = "RIGHT"> (x, s)',
            ),
        ),
        (
            "Resize",
            graph(
                "float[1, 1, 4, 4] x",
                "float[1, 1, a, b] y",
                "s = Constant <value = float[4] {1, 1, 0.5, 0.5}> () "
                'y = Resize <mode = "linear", antialias = 1> (x, , s)',
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_known_faults_are_refused_by_name_and_reason(operator, refused):
    with pytest.raises(UnsupportedOpError, match=rf"{operator} \("):
        refused.session(backend="openvino")


def test_a_use_that_is_right_is_taken():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    tile = graph("float[2, 3] x", "float[4, 3] y", "n = Constant <value = int64[2] {2, 1}> () y = Tile(x, n)")
    np.testing.assert_array_equal(tile.infer(x, backend="openvino")["y"], np.tile(x, (2, 1)))
