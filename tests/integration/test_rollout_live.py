"""Rollouts of real bundles on a real server under live, labelled load."""

import contextlib
import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest
from onnx import TensorProto, helper

from burnish.bundle import EngineChoice, PackRequest, pack
from burnish.client import AdminClient, Client
from burnish.errors import BurnishError
from burnish.graph import ComputeGraph
from burnish.registry import Registry
from burnish.rollout import operator
from burnish.rollout.history import History, Phase
from burnish.rollout.launch import launch
from burnish.rollout.plan import GuardLimits, RolloutPlan

CLASSES = 10
# This machine may be busy with other tests: only a gross slowdown counts here.
GUARDS = GuardLimits(latency_ratio=20.0, latency_slack_ms=500.0)
PLAN = RolloutPlan(
    criterion="noninferior",
    margin=3.0,
    shadow_share=1.0,
    min_requests=20,
    poll_ms=50,
    lease_s=2.0,
    guards=GUARDS,
)


def classifier(path, *, scale, switched=1.0):
    """Logits are the first ten inputs times ``scale``, or times ``switched`` where the last input is 1."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", CLASSES + 1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", CLASSES])
    identity = np.eye(CLASSES + 1, CLASSES, dtype=np.float32)
    last = np.zeros((CLASSES + 1, 1), np.float32)
    last[-1] = switched - 1.0
    constants = [
        helper.make_tensor("identity", TensorProto.FLOAT, identity.shape, identity.ravel()),
        helper.make_tensor("last", TensorProto.FLOAT, last.shape, last.ravel()),
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("scale", TensorProto.FLOAT, [1], [scale]),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "identity"], ["scores"]),
        helper.make_node("MatMul", ["x", "last"], ["switch"]),
        helper.make_node("Add", ["switch", "one"], ["factor"]),
        helper.make_node("Mul", ["scores", "factor"], ["switched"]),
        helper.make_node("Mul", ["switched", "scale"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "classifier", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    request = PackRequest(
        name="m",
        engine=EngineChoice(backend="onnxruntime", threads=1),
        golden_inputs={"x": np.eye(2, CLASSES + 1, dtype=np.float32)},
    )
    return pack(path, ComputeGraph(model.SerializeToString()), request)


@pytest.fixture(scope="module")
def registry_root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    registry = Registry(folder / "registry")
    registry.push(classifier(folder / "1", scale=1.0))
    registry.push(classifier(folder / "2", scale=2.0))  # the same answers
    registry.push(classifier(folder / "3", scale=3.0, switched=-1.0))  # wrong once the switch is on
    registry.push(classifier(folder / "4", scale=4.0, switched=float("nan")))
    registry.set_alias("m", "primary", 1)
    registry.engine.dispose()
    return registry.root


@dataclass
class Load:
    """Clients that ask, and tell the right answer a moment later."""

    url: str
    switch: float = 0.0
    pause_s: float = 0.004
    answered: int = 0
    failures: list = field(default_factory=list)
    running: bool = True

    def client(self, number):
        rng = np.random.default_rng(number)
        with Client(self.url, timeout_s=10) as client:
            for k in itertools.count():
                if not self.running:
                    return
                label = int(rng.integers(CLASSES))
                x = rng.normal(0, 0.25, (1, CLASSES + 1)).astype(np.float32)
                x[0, label] += 1.0
                x[0, -1] = self.switch
                try:
                    answer = client.infer("m", {"x": x}, user=f"u{number}-{k}")
                    client.feedback("m", answer.id, label)
                    self.answered += 1
                except BurnishError as error:
                    self.failures.append(error)
                time.sleep(self.pause_s)


@contextlib.contextmanager
def serving(root, folder):
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "burnish", "serve", "m@primary", "--registry", str(root)]
    command += ["--port", "0", "--admin-port", "0", "--ready-file", str(ready)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None, "the server did not start"
            assert time.monotonic() < deadline, "the server was not ready in time"
            time.sleep(0.05)
        yield json.loads(ready.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@dataclass
class World:
    registry: Registry
    admin: AdminClient
    load: Load
    urls: dict


@pytest.fixture
def world(registry_root, tmp_path):
    """A server of version 1, two clients, and the registry with its alias back at version 1."""
    registry = Registry(registry_root)
    registry.set_alias("m", "primary", 1)
    with serving(registry_root, tmp_path) as urls, AdminClient(urls["admin"]) as admin:
        load = Load(urls["http"])
        with ThreadPoolExecutor(2) as pool:
            clients = [pool.submit(load.client, number) for number in range(2)]
            try:
                yield World(registry, admin, load, urls)
            finally:
                load.running = False
                with contextlib.suppress(BurnishError):
                    operator.abort("m", registry=registry, server=admin)
        for client in clients:
            client.result()
    registry.engine.dispose()


def roll_out(world, candidate, plan=PLAN, on_look=None):
    controller = launch("m", candidate=candidate, registry=world.registry, server=world.admin, plan=plan)
    return controller.run(on_look)


def when_at(weight, act):
    done = []

    def on_look(snapshot):
        if snapshot.state.weight_percent == weight and not done:
            done.append(True)
            act()

    return on_look


def test_an_equal_candidate_is_promoted_under_load_and_rolled_back_by_hand(world):
    final = roll_out(world, "2")
    assert final.phase is Phase.PROMOTED, final.reason
    assert world.admin.traffic("m")["primary"] == "2"
    assert world.registry.get("m@primary").version == 2
    with Client(world.load.url) as client:
        answer = client.infer("m", {"x": np.eye(1, CLASSES + 1, dtype=np.float32)})
    assert answer.version == "2"
    undone = operator.rollback("m", registry=world.registry, server=world.admin)
    assert undone.state.phase is Phase.ROLLED_BACK
    assert undone.to_zero_ms < 1000
    assert world.registry.get("m@primary").version == 1
    assert not world.load.failures
    assert world.load.answered > 300


@pytest.mark.parametrize(("candidate", "alarms"), [("3", {"harm"}), ("4", {"harm", "nonfinite"})])
def test_a_fault_in_the_ramp_is_rolled_back_in_under_a_second_from_the_alarm(world, candidate, alarms):
    planted = []

    def plant():
        planted.append(time.monotonic())
        world.load.switch = 1.0

    final = roll_out(world, candidate, on_look=when_at(25, plant))
    assert planted
    assert final.phase is Phase.ABORTED
    event = History(world.registry.engine).events(final.id)[-1]
    assert event.facts["alarm_to_zero_ms"] < 1000
    assert 0 < event.facts["alarm_s"] - planted[0] < 30
    assert {f["name"] for f in event.facts["findings"] if f["verdict"] == "abort"} & alarms
    with Client(world.load.url) as client:
        x = np.eye(1, CLASSES + 1, dtype=np.float32)
        versions = {client.infer("m", {"x": x}, user=f"after-{i}").version for i in range(50)}
    assert versions == {"1"}
    assert not world.load.failures


def test_the_command_line_tells_the_same_story(world):
    flags = ["--registry", str(world.registry.root), "--json"]
    server = ["--server", world.urls["admin"]]

    def burnish(*arguments):
        command = [sys.executable, "-m", "burnish", "rollout", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr

    plan = world.registry.root.parent / "rollout.toml"
    plan.write_text(
        'criterion = "noninferior"\nmargin = 3.0\nshadow_share = 1.0\nmin_requests = 20\npoll_ms = 50.0\n'
        "[guards]\nlatency_ratio = 20.0\nlatency_slack_ms = 500.0\n"
    )
    code, out, err = burnish(
        "start", "m", "--candidate", "2", "--file", str(plan), "--steps", "50,100", *server, *flags
    )
    assert code == 0, err
    told = json.loads(out)
    assert told["phase"] == "promoted"
    assert told["plan"]["steps"] == [50, 100]
    assert [event["kind"] for event in told["events"]] == ["started", "step", "step", "promoted"]
    assert json.loads(burnish("status", "m", *flags)[1]) == told
    assert json.loads(burnish("history", "m", *flags)[1])[0] == told
    undone = json.loads(burnish("rollback", "m", *server, *flags)[1])
    assert (undone["phase"], undone["primary"], undone["changed"]) == ("rolled_back", "1", True)
    assert not json.loads(burnish("abort", "m", *server, *flags)[1])["changed"]
    code, out, err = burnish("start", "m", "--candidate", "9", *server, *flags)
    assert (code, out) == (2, "")
    assert "no version 9" in err
    code, out, err = burnish("start", "m", "--candidate", "2", "--margin", "1", *server, *flags)
    assert code == 2
    assert "--margin" in err
    assert world.admin.traffic("m")["primary"] == "1"


def test_a_killed_controller_leaves_no_weight_and_its_successor_finishes(world):
    flags = ["--registry", str(world.registry.root), "--server", world.urls["admin"]]
    plan = world.registry.root.parent / "slow.toml"
    plan.write_text(
        'criterion = "noninferior"\nmargin = 3.0\nshadow_share = 1.0\nmin_requests = 20\npoll_ms = 50.0\n'
        "soak_s = 4.0\nlease_s = 2.0\n[guards]\nlatency_ratio = 20.0\nlatency_slack_ms = 500.0\n"
    )
    command = [sys.executable, "-m", "burnish", "rollout", "start", "m", "--candidate", "2", *flags]
    process = subprocess.Popen([*command, "--file", str(plan), "--json"], stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while world.admin.traffic("m")["weight"] < 1.0:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()
    killed = time.monotonic()
    with Client(world.load.url) as client:
        x = np.eye(1, CLASSES + 1, dtype=np.float32)
        while client.infer("m", {"x": x}).version != "1":
            assert time.monotonic() - killed < PLAN.lease_s + 1
            time.sleep(0.02)
    done = subprocess.run([*command, "--file", str(plan), "--json"], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["phase"] == "promoted"
    assert [event["kind"] for event in told["events"]].count("started") == 1
    assert not world.load.failures


def test_an_abort_from_another_terminal_ends_a_running_rollout(world):
    aborted = threading.Event()

    def abort():
        operator.abort("m", registry=world.registry, server=world.admin, reason="by hand")
        aborted.set()

    final = roll_out(world, "2", on_look=when_at(10, abort))
    assert aborted.is_set()
    assert (final.phase, final.reason) == (Phase.ABORTED, "by hand")
    assert world.admin.traffic("m")["weight"] == 0
