import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from burnish.compress import TrainConfig
from burnish.compress.network import predict, tensors, weights_digest
from burnish.compress.pruning.groups import ChannelGroups
from burnish.compress.qat import QatConfig, quantize_aware
from burnish.compress.qat.insert import quantizers
from burnish.compress.qat.prepare import prepare
from burnish.compress.quantize.kernels import integer_kernels
from burnish.compress.reporter import Reporter
from burnish.errors import InputError, NotFoundError, UnsupportedOpError
from burnish.evaluate import Split

CONFIG = QatConfig(train=TrainConfig(epochs=2, learning_rate=0.01), reduce_range=True)


class Varied:
    """The tiny task with some parts replaced."""

    def __init__(self, task, **parts):
        self._task = task
        vars(self).update(parts)

    def __getattr__(self, name):
        return getattr(self._task, name)


def accuracy(task, outputs, split):
    return task.scores(outputs, split.labels).mean()


@pytest.fixture(scope="module")
def result(task, _trained):
    return quantize_aware(_trained, task, CONFIG)


def test_the_file_is_as_right_as_the_float_network_in_either_engine(task, trained, result):
    test = task.split("test")
    wanted = accuracy(task, predict(trained, task, test), test)
    for backend in ("onnxruntime", "openvino"):
        assert accuracy(task, result.graph.infer(test.inputs, backend=backend), test) >= wanted - 0.01
        assert integer_kernels(result.graph, backend).share == 1
    assert result.difference < 0.02
    assert result.layers == ("stem", "block.conv1", "block.conv2", "head")
    assert not result.floats


def test_the_given_network_stays_as_it_is(task, trained):
    before = weights_digest(trained)
    prepare(trained, task, CONFIG).network.get_submodule("stem").weight.data.zero_()
    assert weights_digest(trained) == before


def test_folding_changes_nothing_but_the_last_digits(task, trained):
    valid = task.split("valid")
    network = prepare(trained, task, CONFIG).network
    for _, quantizer in quantizers(network):
        quantizer.active = False
    np.testing.assert_allclose(
        predict(network, task, valid)["logits"], predict(trained, task, valid)["logits"], atol=1e-4
    )


def test_an_interrupted_training_ends_as_if_never_stopped(task, trained, result, tmp_path):
    def interrupt(progress):
        if progress.done > progress.of // 2:  # in the second of two epochs: the first one is kept
            raise KeyboardInterrupt

    checkpoint = tmp_path / "training.pt"
    with pytest.raises(KeyboardInterrupt):
        quantize_aware(trained, task, CONFIG, checkpoint=checkpoint, reporter=Reporter(on_progress=interrupt))
    again = quantize_aware(trained, task, CONFIG, checkpoint=checkpoint)
    assert again.epochs == result.epochs
    assert weights_digest(again.network) == weights_digest(result.network)
    assert again.graph.digest == result.graph.digest


def test_ranges_are_frozen_after_their_share_of_the_steps(result):
    steps = 2 * 10  # epochs of 600 examples in batches of 64, the last two of which are joined or not
    (clock,) = {module.clock for _, module in quantizers(result.network)}
    assert clock.freeze_at == steps / 2
    assert int(clock.seen) in (steps / 2, steps)  # the best epoch was either


def test_a_pruned_network_learns_too(task, trained):
    groups = ChannelGroups(trained, tensors(task.split("valid").take(np.arange(2))))
    inner = next(unit for unit in groups.units() if unit.layer is trained.block.conv1)
    groups.remove(inner, [0, 3, 5])
    config = dataclasses.replace(CONFIG, train=TrainConfig(epochs=1, learning_rate=0.01), ranges="learned")
    found = quantize_aware(trained, task, config)
    valid = task.split("valid")
    assert accuracy(task, found.graph.infer(valid.inputs), valid) > 0.9
    assert integer_kernels(found.graph, "onnxruntime").share == 1


def test_layers_that_are_named_stay_float(task, trained):
    network = prepare(trained, task, dataclasses.replace(CONFIG, keep_float=("block",)))
    assert network.layers == ("stem", "head")
    assert network.floats.keys() == {"block.conv1", "block.conv2"}
    ends = prepare(trained, task, dataclasses.replace(CONFIG, keep_ends_float=True))
    assert ends.floats.keys() == {"stem", "head"}


def test_a_layer_that_is_not_there_is_refused(task, trained):
    with pytest.raises(NotFoundError, match=r"keep_float names 'blok', which is no layer.*block"):
        prepare(trained, task, dataclasses.replace(CONFIG, keep_float=("blok",)))


def test_nothing_to_quantize_is_an_error(task, trained):
    with pytest.raises(UnsupportedOpError, match=r"nothing to quantize: .*head: kept in floating point"):
        prepare(trained, task, dataclasses.replace(CONFIG, keep_float=("stem", "block", "head")))


class Branching(nn.Module):
    def forward(self, image):
        return image.flatten(1) if image.sum() > 0 else image.flatten(1) * 2


def test_a_network_that_cannot_be_traced_says_what_to_do(task):
    with pytest.raises(InputError, match=r"Branching cannot be traced .*avoid Python control flow"):
        prepare(Branching(), task, CONFIG)


def test_calibration_data_is_looked_at(task, trained):
    train = task.split("train")
    with pytest.raises(InputError, match="calibration: there is no example"):
        prepare(trained, Varied(task, split=lambda name: train.take(np.arange(0))), CONFIG)
    images = train.inputs["image"].copy()
    images[17, 0, 3, 3] = np.nan
    with pytest.raises(InputError, match=r"calibration: 'image' is not finite .* first in example 17"):
        prepare(trained, Varied(task, split=lambda name: Split({"image": images}, train.labels)), CONFIG)


def test_an_activation_that_overflows_is_named(task, trained):
    with torch.no_grad():
        trained.stem.weight.fill_(float("inf"))
    with pytest.raises(InputError, match=r"calibration: the activation '\w+' is not finite"):
        prepare(trained, task, CONFIG)


@pytest.mark.parametrize("settings", [{"samples": 0}, {"momentum": 0.0}, {"freeze_after": 1.5}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        QatConfig(**settings)
