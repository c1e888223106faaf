"""The machine's peak is measured once, with engines that give the right product."""

import numpy as np

from burnish.evaluate.peak import machine_peak
from burnish.evaluate.products import product_graph
from burnish.hardware.probe import ProbeConfig

QUICK = ProbeConfig(sizes=(32,), rounds=2, min_sample_s=0.0)


def test_the_product_graph_is_a_product():
    graph = product_graph(4)
    assert graph.cost().flops == 2 * 4**3
    identity = np.eye(4, dtype=np.float32)
    weights = graph.infer(identity)["y"]
    x = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)
    np.testing.assert_allclose(graph.infer(x)["y"], x @ weights, rtol=1e-5, atol=1e-6)


def test_a_peak_is_measured_once_for_each_number_of_threads(tmp_path):
    first = machine_peak(1, config=QUICK, folder=tmp_path)
    assert first.flops.value > 0
    assert first.threads == 1
    assert machine_peak(1, config=QUICK, folder=tmp_path) == first
    assert len(list(tmp_path.iterdir())) == 1
    machine_peak(1, config=QUICK, folder=tmp_path, refresh=True)
    assert len(list(tmp_path.iterdir())) == 1
    machine_peak(2, config=QUICK, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
