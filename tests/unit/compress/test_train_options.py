"""What the trainer does beside plain learning: optimizers, an early stop, precision, several outputs, a teacher."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from burnish.compress import TrainConfig, train, train_task
from burnish.compress.network import build_model, predict
from burnish.compress.training.distill import class_axis, distilled
from burnish.errors import DeviceError, InputError, UnsupportedDeviceError
from burnish.evaluate import Split

CONFIG = TrainConfig(epochs=1, optimizer="adamw", learning_rate=3e-3)


class Points:
    """Two numbers are told apart by their sum, and their sum is told: one output of classes, one of values."""

    name = "points"
    output_names = ("side", "sum")

    def __init__(self, **parts):
        self.__dict__.update(parts)

    def build_model(self):
        return TwoHeads()

    def split(self, name):
        x = np.random.default_rng(len(name)).normal(size=(200, 2)).astype(np.float32)
        return Split({"x": x}, (x.sum(axis=1) > 0).astype(np.int64))

    def loss(self, outputs, labels):
        return nn.functional.cross_entropy(outputs[0], labels)

    def scores(self, outputs, labels):
        return outputs["side"].argmax(axis=1) == labels


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.side = nn.Linear(2, 2)
        self.sum = nn.Linear(2, 1)

    def forward(self, x):
        return self.side(x), self.sum(x)


def test_adamw_learns(task):
    model = build_model(task)
    epochs = train(model, task, replace(CONFIG, epochs=4))
    assert epochs[-1].valid_score > 0.8


def test_adamw_lets_no_bias_or_normalisation_decay():
    from burnish.compress.training.optimizer import build_optimizer

    model = nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.Embedding(5, 3))
    groups = build_optimizer(model, replace(CONFIG, weight_decay=0.1)).param_groups
    decaying = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    assert decaying == {id(model[0].weight), id(model[2].weight)}
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_what_requires_no_gradient_stays(task):
    model = build_model(task)
    for parameter in model.stem.parameters():
        parameter.requires_grad_(False)
    before = model.stem.weight.clone()
    train(model, task, CONFIG)
    assert torch.equal(model.stem.weight, before)


def test_nothing_to_learn_is_an_error(task):
    model = build_model(task).requires_grad_(False)
    with pytest.raises(InputError, match="nothing to learn: no parameter requires a gradient"):
        train(model, task, CONFIG)


def test_a_clipped_gradient_moves_less(task):
    def moved(clip_norm):
        model = build_model(task)
        before = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
        config = TrainConfig(epochs=1, batch_size=300, momentum=0.0, weight_decay=0.0, clip_norm=clip_norm)
        train(model, task, config)
        return (nn.utils.parameters_to_vector(model.parameters()) - before).norm().item()

    steps, highest_rate = 2, 0.1
    assert moved(1e-3) <= steps * highest_rate * 1e-3 * 1.01 < moved(None)


def test_training_stops_when_nothing_gets_better(task):
    bad = type("Bad", (), {"__getattr__": lambda self, name: getattr(task, name)})()
    bad.scores = lambda outputs, labels: np.full(len(labels), 0.5)
    assert len(train(build_model(task), bad, replace(CONFIG, epochs=9, patience=2))) == 3


def test_training_goes_on_while_it_gets_better(task):
    scores = iter([0.1, 0.2, 0.2, 0.3, 0.1, 0.2, 0.4])
    rising = type("Rising", (), {"__getattr__": lambda self, name: getattr(task, name)})()
    rising.scores = lambda outputs, labels: np.full(len(labels), next(scores))
    epochs = train(build_model(task), rising, replace(CONFIG, epochs=7, patience=2))
    assert [round(epoch.valid_score, 3) for epoch in epochs] == [0.1, 0.2, 0.2, 0.3, 0.1, 0.2]


def test_steps_are_told_in_order(task):
    seen = []
    train(build_model(task), task, replace(CONFIG, epochs=2, batch_size=250), on_step=seen.append)
    assert [(step.epoch, step.number, step.of) for step in seen] == [
        (1, 1, 3), (1, 2, 3), (1, 3, 3), (2, 1, 3), (2, 2, 3), (2, 3, 3),
    ]  # fmt: skip
    assert all(step.loss > 0 for step in seen)


def test_half_precision_keeps_weights_and_outputs_whole(task):
    model = build_model(task)
    epochs = train(model, task, replace(CONFIG, epochs=3, precision="bfloat16"))
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert epochs[-1].valid_score > 0.6
    assert predict(model, task, task.split("valid"))["logits"].dtype == np.float32


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named(task):
    with pytest.raises(UnsupportedDeviceError, match=r"no GPU here.*'auto' or 'cpu'"):
        train(build_model(task), task, replace(CONFIG, device="cuda"))


@pytest.mark.device
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch can use")
def test_a_gpu_learns_and_gives_the_model_back(task):
    model = build_model(task)
    epochs = train(model, task, replace(CONFIG, epochs=4, device="cuda"))
    assert {p.device.type for p in model.parameters()} == {"cpu"}
    assert epochs[-1].valid_score > 0.8


def test_a_last_batch_of_one_does_not_stop_a_batch_normalisation():
    class One(Points):
        output_names = ("side",)

        def build_model(self):
            return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))

        def loss(self, outputs, labels):
            return nn.functional.cross_entropy(outputs, labels)

    task = One()
    train(build_model(task), task, replace(CONFIG, batch_size=199))


@pytest.mark.parametrize(
    "allocate", [lambda: torch.empty(1 << 58), lambda: np.empty(1 << 58)], ids=["torch", "numpy"]
)
def test_too_little_memory_is_told_as_such(allocate):
    class Greedy(TwoHeads):
        def forward(self, x):
            allocate()
            return super().forward(x)

    def greedy_loss(outputs, labels):
        return allocate()

    for network, task in ((Greedy(), Points()), (TwoHeads(), Points(loss=greedy_loss))):
        with pytest.raises(
            DeviceError, match=r"out of memory in training with batches of 64.*lower batch_size"
        ):
            train(network, task, CONFIG)


def test_several_outputs_are_learnt_from_a_teacher():
    task = Points()
    teacher = TwoHeads()
    with torch.no_grad():
        teacher.side.weight.copy_(torch.tensor([[-3.0, -3.0], [3.0, 3.0]]))
        teacher.sum.weight.fill_(1.0)
        teacher.side.bias.zero_(), teacher.sum.bias.zero_()
    student = build_model(task)
    config = replace(CONFIG, epochs=30, batch_size=20, learning_rate=0.05, distill_weight=0.9)
    train(student, task, config, teacher=teacher)
    assert torch.allclose(student.sum.weight, teacher.sum.weight, atol=0.05)  # no label tells it
    valid = task.split("valid")
    assert task.scores(predict(student, task, valid), valid.labels).mean() > 0.95


def test_a_task_says_how_its_outputs_are_imitated():
    seen = []

    def imitate(outputs, wanted):
        seen.append((len(outputs), len(wanted)))
        return (outputs[1] - wanted[1]).abs().mean()

    task = Points(imitate=imitate)
    train(build_model(task), task, replace(CONFIG, batch_size=200), teacher=TwoHeads())
    assert seen == [(2, 2)]


def test_a_hook_that_fails_is_named():
    task = Points(imitate=lambda outputs, wanted: outputs.nothing)
    with pytest.raises(InputError, match="'points': imitate fails: AttributeError"):
        train(build_model(task), task, CONFIG, teacher=TwoHeads())


def test_a_teacher_of_another_question_is_refused(task):
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(64, 7))
    with pytest.raises(InputError, match=r"gives \[\[64, 10\]\] but its teacher \[\[64, 7\]\]"):
        train(build_model(task), task, CONFIG, teacher=teacher)


@pytest.mark.parametrize(
    ("outputs", "labels", "axis"),
    [
        ((5, 3), (5,), 1),
        ((5, 7, 11), (5, 7), 2),  # tokens
        ((5, 11, 7), (5, 7), 1),  # classes before places
        ((5, 4, 8, 8), (5, 8, 8), 1),  # pixels
        ((5, 1), (5,), None),  # one logit
        ((5,), (5,), None),
        ((5, 8, 4), (5,), None),  # boxes beside classes
    ],
)
def test_classes_are_told_from_values_by_shape(outputs, labels, axis):
    assert class_axis(torch.zeros(outputs), torch.zeros(labels, dtype=torch.long)) == axis
    assert class_axis(torch.zeros(outputs), torch.zeros(labels)) is None


@pytest.mark.parametrize("shape", [((6, 3), (6,)), ((6, 4, 2, 2), (6, 2, 2)), ((6, 1), (6,))])
def test_who_answers_as_the_teacher_has_nothing_to_imitate(shape):
    outputs, labels = torch.randn(shape[0]), torch.zeros(shape[1], dtype=torch.long)
    zero = torch.zeros(())

    def imitation(mine):
        config = TrainConfig(distill_weight=1.0)
        return distilled(zero, mine, outputs, labels, Points(), config).item()

    assert imitation(outputs) == pytest.approx(0, abs=1e-6)
    assert imitation(outputs + torch.randn(shape[0])) > 1e-3


@pytest.mark.parametrize(
    "settings",
    [
        {"warmup": 1.5}, {"learning_rate": 0.0}, {"temperature": 0.0}, {"clip_norm": 0.0}, {"patience": 0},
    ],
)  # fmt: skip
def test_settings_without_sense_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        TrainConfig(**settings)


def test_a_changed_network_is_trained_anew(tmp_path):
    seen = []
    train_task(Points(), CONFIG, tmp_path, on_epoch=seen.append)
    train_task(Points(), CONFIG, tmp_path, on_epoch=seen.append)
    assert len(seen) == 1

    class Other(Points):
        def build_model(self):
            model = TwoHeads()
            model.side.bias.data.fill_(0.25)
            return model

    train_task(Other(), CONFIG, tmp_path, on_epoch=seen.append)
    assert len(seen) == 2
