import numpy as np
import pytest
import torch

from burnish.compress.qat.fake_quant import ActivationQuantizer, StepClock, WeightQuantizer

ALWAYS = 10**6


def activation(low, high, *, symmetric=False, ranges="ema", freeze_at=ALWAYS, momentum=0.5, extremes=None):
    quantizer = ActivationQuantizer(
        symmetric=symmetric, bits=8, momentum=momentum, ranges=ranges, clock=StepClock(freeze_at)
    )
    quantizer.start(extremes or (low, high), low, high)
    return quantizer


@pytest.mark.parametrize("ranges", ["ema", "learned"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_numbers_go_where_onnx_puts_them(ranges, symmetric):
    quantizer = activation(-1.0, 3.0, symmetric=symmetric, ranges=ranges).eval()
    x = torch.randn(500) * 3
    scale, zero = quantizer.current_scale().detach().numpy(), quantizer.zero_point.numpy()
    levels = np.clip(np.rint(x.numpy() / scale) + zero, quantizer.lowest, quantizer.highest)
    np.testing.assert_allclose(quantizer(x).detach(), (levels - zero) * scale, atol=1e-6)


@pytest.mark.parametrize("ranges", ["ema", "learned"])
def test_gradients_pass_inside_the_range_and_stop_outside(ranges):
    quantizer = activation(0.0, 2.55, ranges=ranges, momentum=1e-9).train()
    x = torch.tensor([-1.0, 0.5, 2.0, 4.0], requires_grad=True)
    quantizer(x).sum().backward()
    np.testing.assert_allclose(x.grad, [0, 1, 1, 0], atol=1e-5)


def test_the_gradient_of_a_learned_step_is_that_of_lsq():
    quantizer = activation(0.0, 255.0, ranges="learned").train()
    x = torch.tensor([0.3, 10.7, 300.0])
    quantizer(x).sum().backward()
    with_respect_to_step = np.array([0 - 0.3, 11 - 10.7, 255]).sum() / (3 * 255) ** 0.5
    assert quantizer.log_scale.grad.item() == pytest.approx(with_respect_to_step, rel=1e-4)  # the step is 1


def test_zero_is_always_exact():
    quantizer = activation(-0.37, 1.91).eval()
    assert quantizer(torch.zeros(3)).abs().max() == 0


def test_the_average_follows_the_batches_and_keeps_the_share_that_calibration_kept():
    quantizer = activation(0.0, 5.0, extremes=(0.0, 10.0), momentum=1.0).train()
    quantizer(torch.tensor([0.0, 20.0]))
    assert quantizer.current_scale().item() * 255 == pytest.approx(10.0)


@pytest.mark.parametrize("ranges", ["ema", "learned"])
def test_a_frozen_grid_stays(ranges):
    quantizer = activation(0.0, 1.0, ranges=ranges, freeze_at=2).train()
    x = torch.tensor([0.1, 7.0], requires_grad=True)
    for step in range(5):
        before = quantizer.current_scale().clone()
        quantizer(x * (step + 1)).sum().backward()
        if ranges == "learned" and quantizer.log_scale.grad is not None:
            with torch.no_grad():
                quantizer.log_scale -= 0.1 * quantizer.log_scale.grad
            quantizer.log_scale.grad = None
        quantizer.clock()
        assert (quantizer.current_scale() == before).item() == (step >= 2)
    assert quantizer.is_frozen


def test_readers_that_share_a_quantizer_move_it_once_a_step():
    once, twice = (activation(0.0, 10.0, momentum=0.1, freeze_at=3).train() for _ in range(2))
    for _ in range(3):
        once(torch.tensor([0.0, 20.0]))
        for part in ([0.0, 5.0], [0.0, 20.0]):
            twice(torch.tensor(part))
        assert torch.equal(once.extremes, twice.extremes)
        for quantizer in (once, twice):
            assert not quantizer.is_frozen
            quantizer.clock()
    assert once.extremes[1].item() == pytest.approx(20 - 10 * 0.9**3)
    assert twice.is_frozen


def test_evaluation_moves_nothing():
    quantizer = activation(0.0, 1.0).eval()
    before = {name: tensor.clone() for name, tensor in quantizer.state_dict().items()}
    quantizer(torch.tensor([50.0]))
    quantizer.clock()
    assert all(torch.equal(tensor, before[name]) for name, tensor in quantizer.state_dict().items())


@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize(("bits", "largest"), [(8, 127), (7, 63)])
def test_weights_are_symmetric_and_the_largest_of_each_channel_is_kept(axis, bits, largest):
    weight = torch.randn(4, 6) * torch.tensor([1.0, 10.0, 0.1, 0.0])[:, None]
    quantizer = WeightQuantizer(weight, axis=axis, bits=bits, ranges="ema", clock=StepClock(ALWAYS)).eval()
    integers = quantizer.integers(weight, quantizer.current_scale())
    assert integers.dtype == torch.int8
    assert int(integers.abs().max()) == largest
    rounded = quantizer(weight)
    channels = {None: 1, 0: 4, -1: 6}[axis]
    assert quantizer.scale.numel() == channels
    bound = quantizer.scale.max() / 2 if axis is None else quantizer.scale / 2
    if axis == 0:
        bound = bound[:, None]
    assert ((rounded - weight).abs() <= bound * 1.001).all()


def test_learned_steps_get_a_gradient_for_each_channel():
    weight = torch.randn(4, 6, requires_grad=True)
    quantizer = WeightQuantizer(weight, axis=0, bits=8, ranges="learned", clock=StepClock(ALWAYS)).train()
    quantizer(weight).square().sum().backward()
    assert (quantizer.log_scale.grad != 0).all()
    assert (weight.grad != 0).all()
