"""Switching engine or device is one argument, in the documentation and for every device of this machine."""

import doctest

import numpy as np
import pytest

from burnish.runtime import device_table, devices, session
from burnish.testing import graphs


@pytest.mark.parametrize("module", [session, devices], ids=["session", "devices"])
def test_examples_run(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_device_of_this_machine_gives_the_same():
    graph = graphs.network()
    x = np.random.default_rng(0).standard_normal((2, 1, 8, 8), np.float32)
    expected = graph.infer(x, device="cpu")
    for backend, status in device_table():
        if status.available and not backend.spec.compiles:
            got = graph.infer(x, device=status.device, backend=backend.spec.name)
            for name, result in expected.items():
                np.testing.assert_allclose(got[name], result, rtol=1e-3, atol=1e-4)
