from pathlib import Path

import pytest
import torch

from burnish.compress import TrainConfig
from burnish.compress.network import build_model
from burnish.compress.pruning.prune import PruneConfig, prune
from burnish.compress.training.train import train
from burnish.evaluate import load_task
from burnish.graph.capture import capture
from burnish.resume import Run

TASK_FILE = Path(__file__).parents[2] / "tasks" / "tiny_digits.py"


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Networks this small gain nothing from a second thread, and a busy machine then costs little."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def task():
    return load_task(str(TASK_FILE))


@pytest.fixture(scope="session")
def _trained(task):
    model = build_model(task, seed=0)
    train(model, task, TrainConfig(epochs=6))
    return model.eval()


@pytest.fixture
def trained(task, _trained):
    """A trained model of the test's own."""
    model = build_model(task)
    model.load_state_dict(_trained.state_dict())
    return model.eval()


@pytest.fixture(scope="session")
def graph(task, _trained):
    return capture(_trained, task.split("valid").take([0, 1]).inputs, output_names=task.output_names)


PRUNE = PruneConfig(
    step=0.25,
    target=0.5,
    rounding="multiple",
    round_to=4,
    floor_points=8.0,
    fine_tune=TrainConfig(epochs=2, learning_rate=0.03),
)


@pytest.fixture(scope="session")
def prune_config():
    return PRUNE


@pytest.fixture(scope="session")
def cuts(task, _trained, tmp_path_factory):
    return prune(_trained, task, PRUNE, Run(tmp_path_factory.mktemp("prune"), {}))
