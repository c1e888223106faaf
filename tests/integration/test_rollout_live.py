"""Rollouts of real bundles on a real server under live, labelled load."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from burnish.bundle import EngineChoice, PackRequest, pack
from burnish.cli.main import app
from burnish.client import AdminClient, Client
from burnish.errors import BurnishError, ConfigError, ConflictError, NotFoundError, ShapeError
from burnish.graph import ComputeGraph
from burnish.registry import Registry
from burnish.rollout import operator
from burnish.rollout.history import History, Phase
from burnish.rollout.launch import launch_rollout
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

PLAN_FILE = """
criterion = "noninferior"
margin = 3.0
shadow_share = 1.0
min_requests = 20
poll_ms = 50.0
[guards]
latency_ratio = 20.0
latency_slack_ms = 500.0
"""


def classifier(path, *, scale, switched=1.0, root=False):
    """Logits are ten inputs times ``scale``; where the last input is 1, also ``switched`` or its square root."""
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
        helper.make_node("Sqrt" if root else "Identity", ["factor"], ["fault"]),
        helper.make_node("Mul", ["scores", "fault"], ["switched"]),
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
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    registry = Registry(folder / "registry")
    registry.push(classifier(folder / "1", scale=1.0))
    registry.push(classifier(folder / "2", scale=2.0))  # the same answers
    registry.push(classifier(folder / "3", scale=3.0, switched=-1.0))  # wrong once the switch is on
    registry.push(classifier(folder / "4", scale=4.0, switched=-1.0, root=True))  # NaN
    registry.set_alias("m", "primary", 1)
    registry.engine.dispose()
    return registry.root


@pytest.fixture
def registry_root(template, tmp_path):
    """A registry without history, for alpha is spent over the candidates of one primary."""
    return Path(shutil.copytree(template, tmp_path / "registry"))


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
    """A server of version 1 under the load of two clients, and its registry."""
    registry = Registry(registry_root)
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
    controller = launch_rollout(
        "m", candidate=candidate, registry=world.registry, server=world.admin, plan=plan
    )
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


def test_the_command_line_tells_the_same_story(world, tmp_path):
    flags = ["--registry", str(world.registry.root), "--json"]
    server = ["--server", world.urls["admin"]]

    def burnish(*arguments):
        return CliRunner().invoke(app, ["rollout", *arguments])

    def told(*arguments):
        result = burnish(*arguments, *flags)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    plan = tmp_path / "rollout.toml"
    plan.write_text(PLAN_FILE)
    started = told("start", "m", "--candidate", "2", "--file", str(plan), "--steps", "50,100", *server)
    assert started["phase"] == "promoted"
    assert started["plan"]["steps"] == [50, 100]
    assert [event["kind"] for event in started["events"]] == ["started", "step", "step", "promoted"]
    assert told("status", "m") == started
    assert told("history", "m") == [started]
    assert "rolled_back" in burnish("rollback", "m", *server, *flags[:2]).stdout
    assert not told("abort", "m", *server)["changed"]
    assert world.admin.traffic("m")["primary"] == "1"
    for text in (burnish("status", "m", *flags[:2]).stdout, burnish("history", "m", *flags[:2]).stdout):
        assert "rolled_back" in text
    undecided = burnish(
        "start", "m", "--candidate", "2", "--timeout-s", "0.3", "--criterion", "superior", *server, *flags[:2]
    )
    assert undecided.exit_code == 3
    assert "inconclusive" in undecided.stdout


def test_a_wrong_command_is_one_clear_error_and_traffic_stays(world):
    before = world.admin.traffic("m")
    flags = ["--registry", str(world.registry.root), "--server", world.urls["admin"]]
    for arguments, error, word in (
        (["--candidate", "9"], NotFoundError, "no version 9"),
        (["--candidate", "2", "--margin", "1"], ConfigError, "--margin"),
        (["--candidate", "2", "--steps", "ten"], ConfigError, "--steps"),
        (["--candidate", "2", "--criterion", "better"], ConfigError, "criterion"),
    ):
        result = CliRunner().invoke(app, ["rollout", "start", "m", *arguments, *flags])
        assert type(result.exception) is error
        assert word in str(result.exception)
    assert world.admin.traffic("m") == before


def test_a_killed_controller_leaves_no_weight_and_its_successor_finishes(world, tmp_path):
    flags = ["--registry", str(world.registry.root), "--server", world.urls["admin"]]
    plan = tmp_path / "rollout.toml"
    plan.write_text("soak_s = 1.5\nlease_s = 2.0\n" + PLAN_FILE)
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


def test_a_canary_whose_workers_die_is_rolled_back(world):
    stop = threading.Event()

    def keep_killing():
        while not stop.is_set():
            for version in world.admin.models()["models"][0]["versions"]:
                if version["version"] == "2":
                    for pid in version["workers"]:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
            stop.wait(0.05)

    killer = threading.Thread(target=keep_killing)
    try:
        final = roll_out(world, "2", on_look=when_at(25, killer.start))
    finally:
        stop.set()
        killer.join()
    assert final.phase is Phase.ABORTED
    assert any(name in final.reason for name in ("errors", "harm", "latency")), final.reason
    time.sleep(0.2)
    world.load.failures.clear()  # those of the canary itself
    time.sleep(0.5)
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


def test_the_client_speaks_to_a_real_server(world):
    world.admin.load("m", "2", world.registry.source("m", 2))
    x = np.eye(3, CLASSES + 1, dtype=np.float32)
    with Client(world.load.url) as client:
        assert client.is_live()
        assert client.is_ready()
        assert client.is_ready("m", version="2")
        assert client.server_metadata()["name"] == "burnish"
        assert client.metadata("m")["inputs"][0]["name"] == "x"
        answers = [
            client.infer("m", {"x": x}, version="2", outputs=["y"], request_id=f"p{binary}", binary=binary)
            for binary in (True, False)
        ]
        assert [answer.id for answer in answers] == ["pTrue", "pFalse"]
        for answer in answers:
            assert answer.version == "2"
            np.testing.assert_array_equal(answer.outputs["y"], 2 * x[:, :CLASSES])
        chosen = client.infer("m", {"x": x[:1]})
        deadline = time.monotonic() + 5
        while (status := client.feedback("m", chosen.id, 0)) == "waiting" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert status in ("joined", "duplicate")
        assert client.feedback("m", chosen.id, 0) == "duplicate"
        with pytest.raises(ShapeError, match="dimension 1"):
            client.infer("m", {"x": x[:, :3]})
        with pytest.raises(NotFoundError):
            client.metadata("unknown")
    assert set(world.admin.stats("m")["versions"]) == {"1", "2"}
    world.admin.unload("m", "2")
    with pytest.raises(ConflictError, match="gets traffic"):
        world.admin.unload("m", "1")
