import numpy as np
import pytest
import torch
from torch import nn

from burnish.compress import TrainConfig, train, train_task
from burnish.compress.network import (
    build_model,
    check_model,
    load_weights,
    predict,
    recalibrate_batch_norm,
    save_weights,
    tensors,
)
from burnish.errors import InputError
from burnish.evaluate import Split

CONFIG = TrainConfig(epochs=3)


class Varied:
    """The tiny task with some parts replaced."""

    def __init__(self, task, **parts):
        self._task = task
        self._parts = parts

    def __getattr__(self, name):
        return self._parts.get(name) or getattr(self._task, name)


def equal(a, b):
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_equal_seeds_give_equal_weights_and_other_seeds_others(task):
    models = [build_model(task, seed=seed) for seed in (1, 1, 2)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        train(model, task, TrainConfig(epochs=1, seed=seed))
    assert equal(models[0], models[1])
    assert not equal(models[0], models[2])


def test_training_leaves_the_callers_random_numbers_alone(task):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(build_model(task, seed=3), task, TrainConfig(epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_an_interrupted_training_ends_as_if_never_stopped(task, tmp_path):
    whole = build_model(task)
    epochs = train(whole, task, CONFIG)

    def interrupt(epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "c.pt"
    with pytest.raises(KeyboardInterrupt):
        train(build_model(task), task, CONFIG, checkpoint=checkpoint, on_epoch=interrupt)
    seen = []
    resumed = build_model(task)
    again = train(resumed, task, CONFIG, checkpoint=checkpoint, on_epoch=seen.append)
    assert [epoch.number for epoch in seen] == [3]
    assert again == epochs
    assert equal(whole, resumed)


def test_the_best_epoch_is_kept(task):
    model = build_model(task)
    epochs = train(model, task, TrainConfig(epochs=4, learning_rate=0.3))
    valid = task.split("valid")
    assert task.scores(predict(model, task, valid), valid.labels).mean() == max(e.valid_score for e in epochs)


def test_a_teacher_is_imitated(task, trained):
    def distance(**settings):
        student = build_model(task, seed=9)
        train(student, task, TrainConfig(epochs=2, distill_weight=1.0, **settings), teacher=trained)
        valid = task.split("valid")
        mine, its = (predict(m, task, valid)["logits"].argmax(1) for m in (student, trained))
        return (mine != its).mean()

    assert distance() < 0.2


def test_normalisation_statistics_become_the_mean_over_batches(task):
    model = nn.Sequential(nn.BatchNorm2d(1, momentum=0.1))
    model[0].running_mean.fill_(99)
    data = task.split("train").take(np.arange(512))
    recalibrate_batch_norm(model, data, batch_size=128)
    assert model[0].running_mean.item() == pytest.approx(data.inputs["image"].mean(), rel=1e-5)
    assert model[0].momentum == 0.1
    assert not model.training


def test_weights_go_around_through_a_file(task, trained, tmp_path):
    save_weights(trained.state_dict(), tmp_path / "w.pt")
    other = build_model(task, seed=4)
    load_weights(other, tmp_path / "w.pt")
    assert equal(trained, other)


def test_weights_that_do_not_fit_are_refused(task, tmp_path):
    model = build_model(task)
    (tmp_path / "text.pt").write_text("no weights")
    save_weights({"head.weight": torch.zeros(2, 2)}, tmp_path / "other.pt")
    for name, expected in (
        ("none.pt", "no such file"),
        ("text.pt", "not weights"),
        ("other.pt", "not weights"),
    ):
        with pytest.raises(InputError, match=expected):
            load_weights(model, tmp_path / name)


def test_a_weights_file_cannot_run_code(task, tmp_path):
    torch.save({"w": print}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match="not weights"):
        load_weights(build_model(task), tmp_path / "evil.pt")


def test_trained_once_and_then_taken_from_the_folder(task, tmp_path):
    seen = []
    first = train_task(task, TrainConfig(epochs=2), tmp_path, on_epoch=seen.append)
    again = train_task(task, TrainConfig(epochs=2), tmp_path, on_epoch=seen.append)
    assert len(seen) == 2
    assert equal(first, again)


def test_other_data_is_trained_on_anew(task, tmp_path):
    seen = []
    train_task(task, TrainConfig(epochs=1), tmp_path, on_epoch=seen.append)
    fewer = Varied(task, split=lambda name: task.split(name).take(np.arange(200)))
    train_task(fewer, TrainConfig(epochs=1), tmp_path, on_epoch=seen.append)
    assert len(seen) == 2


def nan_loss(outputs, labels):
    return outputs.sum() * float("nan")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"loss": nan_loss}, "the loss became nan in epoch 1.*lower the learning rate"),
        ({"loss": lambda o, y: o.no_such}, "loss fails: AttributeError"),
        (
            {"loss": lambda o, y: nn.functional.cross_entropy(o[:, :5], y)},
            r"loss fails: IndexError.*labels from 0 to 9",
        ),
        ({"build_model": lambda: 1 / 0}, "build_model fails: ZeroDivisionError"),
        ({"build_model": lambda: "net"}, "build_model returns a str"),
        ({"build_model": lambda: nn.Linear(3, 10)}, "Linear fails on its inputs.*forward gets image"),
    ],
)
def test_a_broken_task_says_which_part_fails(task, tmp_path, parts, expected):
    with pytest.raises(InputError, match=expected):
        train_task(Varied(task, **parts), CONFIG, tmp_path)


def test_nothing_to_learn_from_is_an_error(task):
    empty = Split({"image": np.zeros((0, 1, 8, 8), np.float32)}, np.zeros(0, np.int64))
    with pytest.raises(InputError, match="there is no example"):
        train(build_model(task), Varied(task, split=lambda name: empty), CONFIG)


def test_outputs_are_named_and_in_order(task, trained):
    valid = task.split("valid")
    outputs = predict(trained, task, valid)
    assert list(outputs) == ["logits"]
    with torch.inference_mode():
        few = trained(*tensors(valid.take(np.arange(3))))
    np.testing.assert_allclose(outputs["logits"][:3], few.numpy(), atol=1e-4)
    check_model(trained, task)


@pytest.mark.parametrize("settings", [{"epochs": 0}, {"batch_size": 0}, {"distill_weight": 1.5}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        TrainConfig(**settings)
