"""Data that lies in the order of its classes is met in a mixed order."""

import numpy as np
import pytest
import torch
from torch import nn

from burnish.compress.network import recalibrate_batch_norm
from burnish.compress.qat import QatConfig
from burnish.compress.qat import prepare as preparing
from burnish.compress.quantize import static
from burnish.compress.quantize.scheme import QuantScheme
from burnish.evaluate import Split


class Sorted:
    """The tiny task with its train split in the order of the classes."""

    def __init__(self, task):
        self._task = task

    def __getattr__(self, name):
        return getattr(self._task, name)

    def split(self, name):
        whole = self._task.split(name)
        return whole.take(np.argsort(whole.labels, kind="stable"))


class SeenError(Exception):
    pass


def test_quantization_is_calibrated_on_every_class(task, graph, monkeypatch):
    def look(graph, tensors, samples, **_):
        raise SeenError(set(samples.labels.tolist()), len(samples))

    monkeypatch.setattr(static, "observe", look)
    with pytest.raises(SeenError) as caught:
        static.quantize_static(graph, Sorted(task).split("train"), QuantScheme(samples=100))
    assert caught.value.args == (set(range(10)), 100)


def test_quantizers_are_calibrated_on_every_class(task, trained, monkeypatch):
    def look(traced, samples, calibration):
        raise SeenError(set(samples.labels.tolist()), len(samples))

    monkeypatch.setattr(preparing, "calibrate", look)
    with pytest.raises(SeenError) as caught:
        preparing.prepare(trained, Sorted(task), QatConfig(samples=100))
    assert caught.value.args == (set(range(10)), 100)


def test_statistics_are_estimated_over_mixed_batches():
    """Batches of one class have hardly any variance of their own."""
    x = np.repeat(np.arange(8, dtype=np.float32), 64)[:, None]
    model = nn.Sequential(nn.BatchNorm1d(1))
    recalibrate_batch_norm(model, Split({"x": x}, np.zeros(len(x))), batch_size=64)
    assert model[0].running_var.item() == pytest.approx(x.var(), rel=0.1)


def test_statistics_are_those_of_the_network_without_dropout():
    x = np.random.default_rng(0).normal(size=(512, 4)).astype(np.float32)
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(4))
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    recalibrate_batch_norm(model, Split({"x": x}, np.zeros(len(x))))
    assert torch.equal(torch.rand(2), expected)
    np.testing.assert_allclose(model[1].running_var.numpy(), x.var(axis=0), rtol=0.05)
    assert not any(module.training for module in model.modules())
