"""A training that was stopped at any moment and gone on with ends bit for bit as one that never was."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from burnish.compress import TrainConfig, train
from burnish.compress.network import build_model
from burnish.compress.training.interrupt import HeldInterrupt
from burnish.errors import ArtifactError, InputError
from burnish.evaluate import Split

TASK_FILE = Path(__file__).parents[2] / "tasks" / "tiny_digits.py"
SGD = TrainConfig(epochs=2, batch_size=100)
ADAMW = TrainConfig(
    epochs=2, batch_size=100, optimizer="adamw", learning_rate=1e-3, clip_norm=1.0, precision="bfloat16"
)


class Noisy:
    """The tiny task, whose images are varied in training and read in order of their brightness."""

    def __init__(self, task):
        self._task = task

    def __getattr__(self, name):
        return getattr(self._task, name)

    def augment(self, batch, rng):
        image = batch.inputs["image"]
        return Split({"image": image + rng.normal(0, 0.1, image.shape).astype(np.float32)}, batch.labels)

    def lengths(self, split):
        return split.inputs["image"].sum(axis=(1, 2, 3))


@pytest.fixture(scope="module")
def noisy(task):
    return Noisy(task)


@pytest.fixture(scope="module")
def whole(noisy):
    """By configuration, what training comes to when nothing stops it."""
    found = {}

    def get(config):
        if config not in found:
            model = build_model(noisy)
            found[config] = (train(model, noisy, config), model.state_dict())
        return found[config]

    return get


def ctrl_c_at(epoch, number):
    def on_step(step):
        if (step.epoch, step.number) == (epoch, number):
            signal.raise_signal(signal.SIGINT)

    return on_step


def assert_same(model, state):
    mine = model.state_dict()
    assert mine.keys() == state.keys()
    assert [name for name in state if not torch.equal(mine[name], state[name])] == []


@pytest.mark.parametrize("config", [SGD, ADAMW], ids=["sgd", "adamw-bfloat16"])
@pytest.mark.parametrize("at", [(1, 1), (1, 6), (2, 3)], ids=str)
def test_after_ctrl_c(noisy, whole, tmp_path, config, at):
    checkpoint = tmp_path / "c.pt"
    with pytest.raises(KeyboardInterrupt):
        train(build_model(noisy), noisy, config, checkpoint=checkpoint, on_step=ctrl_c_at(*at))
    seen = []
    resumed = build_model(noisy, seed=7)  # what it begins with no longer matters
    epochs = train(resumed, noisy, config, checkpoint=checkpoint, on_step=seen.append)
    expected_epochs, expected = whole(config)
    assert (seen[0].epoch - 1) * seen[0].of + seen[0].number == (at[0] - 1) * seen[0].of + at[1] + 1
    assert epochs == expected_epochs
    assert_same(resumed, expected)


def test_after_sigkill(task, tmp_path):
    checkpoint = tmp_path / "c.pt"
    script = f"""
import os, signal, torch
torch.set_num_threads(1)
from burnish.compress import TrainConfig, train
from burnish.compress.network import build_model
from burnish.evaluate import load_task
from pathlib import Path
def on_step(step):
    if (step.epoch, step.number) == (2, 4):
        os.kill(os.getpid(), signal.SIGKILL)
task = load_task({str(TASK_FILE)!r})
config = TrainConfig(epochs=2, batch_size=100, checkpoint_every_s=0.0)
train(build_model(task), task, config, checkpoint=Path({str(checkpoint)!r}), on_step=on_step)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    seen = []
    resumed, never_stopped = build_model(task), build_model(task)
    train(resumed, task, SGD, checkpoint=checkpoint, on_step=seen.append)
    train(never_stopped, task, SGD)
    assert (seen[0].epoch, seen[0].number) == (2, 4)  # told before the checkpoint of the step was written
    assert_same(resumed, never_stopped.state_dict())


def test_a_finished_training_is_not_done_again(task, tmp_path):
    checkpoint = tmp_path / "c.pt"
    first, again = build_model(task), build_model(task, seed=3)
    epochs = train(first, task, SGD, checkpoint=checkpoint)
    assert train(again, task, SGD, checkpoint=checkpoint, on_step=pytest.fail) == epochs
    assert_same(again, first.state_dict())


def test_a_checkpoint_of_other_settings_is_refused(task, tmp_path):
    checkpoint = tmp_path / "c.pt"
    train(build_model(task), task, TrainConfig(epochs=1), checkpoint=checkpoint)
    with pytest.raises(ArtifactError, match=r"other settings: epochs 1 there and 2 now.*remove it"):
        train(build_model(task), task, TrainConfig(epochs=2), checkpoint=checkpoint)


def test_settings_that_change_nothing_learnt_may_differ(task, tmp_path):
    checkpoint = tmp_path / "c.pt"
    train(build_model(task), task, TrainConfig(epochs=1), checkpoint=checkpoint)
    other = TrainConfig(epochs=1, checkpoint_every_s=5.0, device="cpu")
    train(build_model(task), task, other, checkpoint=checkpoint, on_step=pytest.fail)


def damaged(task, checkpoint):
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: len(whole) // 2])
    return build_model(task)


def of_another_network(task, checkpoint):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


@pytest.mark.parametrize("spoil", [damaged, of_another_network])
def test_a_checkpoint_that_does_not_fit_is_refused(task, tmp_path, spoil):
    checkpoint = tmp_path / "c.pt"
    config = TrainConfig(epochs=1)
    train(build_model(task), task, config, checkpoint=checkpoint)
    with pytest.raises(ArtifactError, match=r"is no checkpoint of this training.*remove it"):
        train(spoil(task, checkpoint), task, config, checkpoint=checkpoint)


def test_a_full_disk_stops_training_and_leaves_the_checkpoint_before(task, tmp_path, monkeypatch):
    checkpoint = tmp_path / "c.pt"
    config = TrainConfig(epochs=2, batch_size=100)
    saved, save = [], torch.save

    def full(stored, stream):
        if len(saved) == 1:
            stream.write(b"half")
            raise OSError(28, "No space left on device")
        saved.append(save(stored, stream))

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match=r"No space left.*goes on from the last checkpoint"):
        train(build_model(task), task, config, checkpoint=checkpoint)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]
    seen = []
    train(build_model(task), task, config, checkpoint=checkpoint, on_epoch=seen.append)
    assert [epoch.number for epoch in seen] == [2]


def work_with_ctrl_c(done, *, release=False, again=False):
    with HeldInterrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        done.append("work")
        if release:
            interrupt.release()
        if again:
            signal.raise_signal(signal.SIGINT)
        done.append("rest")


@pytest.mark.parametrize(
    ("how", "expected"),
    [({}, ["work", "rest"]), ({"release": True}, ["work"]), ({"again": True}, ["work"])],
    ids=["waits for the end of the block", "acts when released", "acts at once the second time"],
)
def test_ctrl_c_waits_for_the_end_of_the_work(how, expected):
    done, before = [], signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        work_with_ctrl_c(done, **how)
    assert done == expected
    assert signal.getsignal(signal.SIGINT) is before


def test_who_ignores_ctrl_c_goes_on_ignoring_it():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with HeldInterrupt() as interrupt:
            signal.raise_signal(signal.SIGINT)
            assert not interrupt.pending
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_training_works_outside_the_main_thread(task):
    epochs = []
    worker = threading.Thread(
        target=lambda: epochs.extend(train(build_model(task), task, TrainConfig(epochs=1)))
    )
    worker.start()
    worker.join()
    assert len(epochs) == 1
