"""What goes wrong around a server: busy ports, damaged bundles, workers that die or hang, shadows that lag."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from server_process import is_running, serving, wait_until

from burnish.client import AdminClient, Client
from burnish.errors import ArtifactError, BurnishError, ConflictError, DeadlineError, NotFoundError

ONES = {"x": np.ones((1, 4), np.float32)}


def run_serve(*arguments):
    command = [sys.executable, "-m", "burnish", "serve", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def workers(admin, version):
    (model,) = admin.models()["models"]
    return next(v["workers"] for v in model["versions"] if v["version"] == version)


class Load:
    """Clients that ask all the time and check every answer."""

    def __init__(self, url, factors, clients=4):
        self.answers, self.wrong, self.errors = [], [], []
        self._url, self._factors, self._clients = url, factors, clients
        self._stop = threading.Event()

    def __enter__(self):
        self._threads = [threading.Thread(target=self._work, args=(i,)) for i in range(self._clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, number):
        rng = np.random.default_rng(number)
        with Client(self._url) as client:
            while not self._stop.is_set():
                x = rng.normal(size=(1, 4)).astype(np.float32)
                try:
                    answer = client.infer("scale", {"x": x})
                except BurnishError as error:
                    self.errors.append((time.monotonic(), error))
                    continue
                self.answers.append((time.monotonic(), answer.version))
                if not np.array_equal(answer.outputs["y"], self._factors[answer.version] * x):
                    self.wrong.append(answer)


def test_a_busy_port_is_one_clear_error(server, bundles):
    port = server.http.rpartition(":")[2]
    done = run_serve(bundles[1], "--port", port, "--admin-port", "0")
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 is taken" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_not_there_or_damaged_is_one_clear_error(bundles, tmp_path):
    missing = run_serve(tmp_path / "nothing.burnish", "--port", "0", "--admin-port", "0")
    assert (missing.returncode, "no such file" in missing.stderr) == (2, True)
    unknown = run_serve("nothing", "--registry", tmp_path, "--port", "0", "--admin-port", "0")
    assert unknown.returncode == 2
    data = bytearray(bundles[1].read_bytes())
    data[len(data) // 3] ^= 4
    damaged = tmp_path / "damaged.burnish"
    damaged.write_bytes(data)
    done = run_serve(damaged, "--port", "0", "--admin-port", "0")
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_key_in_the_file_or_the_environment_is_one_clear_error(bundles, tmp_path):
    file = tmp_path / "serve.toml"
    file.write_text("[serve]\nmax_batch_sise = 4\n")
    done = run_serve(bundles[1], "--config", file)
    assert done.returncode == 2
    assert "max_batch_sise" in done.stderr
    assert "did you mean 'max_batch_size'?" in done.stderr


@contextlib.contextmanager
def serving_pair(folder, bundles):
    """A server of version 1 (y = x) with version 2 (y = 2x) loaded beside it."""
    flags = ("--request-timeout-s", "1")
    with (
        serving(folder, bundles[1], *flags, BURNISH_SERVE_MIRROR_QUEUE="8") as running,
        AdminClient(running.admin) as admin,
    ):
        admin.load("scale", "2", str(bundles[2]))
        yield running, admin


@pytest.fixture
def fresh_pair(bundles, tmp_path):
    """A pair of versions that nobody has asked anything."""
    with serving_pair(tmp_path / "pair", bundles) as pair:
        yield pair


@pytest.fixture(scope="module")
def tried_pair(bundles, tmp_path_factory):
    with serving_pair(tmp_path_factory.mktemp("pair"), bundles) as pair:
        yield pair


@pytest.fixture
def pair(tried_pair, bundles):
    """A pair of versions on a server that has lived through the tests before; 1 is primary."""
    _, admin = tried_pair
    for version in ("1", "2"):
        admin.load("scale", version, str(bundles[int(version)]))
    admin.set_traffic("scale", {"primary": "1"})
    assert wait_until(lambda: workers(admin, "1") and workers(admin, "2"), 10)
    return tried_pair


def test_a_damaged_version_is_refused_and_the_old_one_goes_on(pair, bundles, tmp_path):
    running, admin = pair
    data = bytearray(bundles[3].read_bytes())
    data[200] ^= 1
    damaged = tmp_path / "damaged.burnish"
    damaged.write_bytes(data)
    with pytest.raises(ArtifactError):
        admin.load("scale", "3", str(damaged))
    with pytest.raises(NotFoundError, match="'3'"):
        admin.set_traffic("scale", {"primary": "3"})
    with Client(running.http) as client:
        assert client.infer("scale", ONES).version == "1"


def test_a_version_with_traffic_cannot_be_unloaded_and_one_without_can(pair):
    running, admin = pair
    with pytest.raises(ConflictError):
        admin.unload("scale", "1")
    (gone,) = workers(admin, "2")
    admin.unload("scale", "2")
    assert wait_until(lambda: not is_running(gone), 5)
    with Client(running.http) as client:
        assert client.infer("scale", ONES).version == "1"


def test_a_killed_worker_costs_no_more_than_its_own_requests(pair):
    running, admin = pair
    (victim,) = workers(admin, "1")
    with Load(running.http, {"1": 1.0}) as load:
        assert wait_until(lambda: len(load.answers) > 50, 10)
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        assert wait_until(lambda: any(at > killed + 0.2 for at, _ in load.answers), 10)
        time.sleep(0.3)
    assert not load.wrong
    lost = [error for _, error in load.errors if not isinstance(error, DeadlineError)]
    assert len(lost) <= 4, lost  # what was in the batch; those that waited were answered, or timed out
    assert min(at for at, _ in load.answers if at > killed + 0.2) < killed + 5
    (successor,) = workers(admin, "1")
    assert successor != victim


def test_a_worker_that_cannot_be_replaced_is_tried_one_at_a_time_until_it_can(bundles, tmp_path):
    bundle = tmp_path / "scale.burnish"
    bundle.write_bytes(bundles[1].read_bytes())
    with (
        serving(tmp_path / "s", bundle, "--request-timeout-s", "1") as running,
        AdminClient(running.admin) as admin,
        Client(running.http) as client,
    ):
        away = bundle.rename(tmp_path / "away.burnish")
        os.kill(workers(admin, "1")[0], signal.SIGKILL)
        most = 0
        until = time.monotonic() + 4
        while time.monotonic() < until:
            most = max(most, len(children(running.process.pid)))
            time.sleep(0.05)
        assert most == 1
        assert httpx.get(f"{running.http}/v2/health/ready").status_code == 503
        with pytest.raises(BurnishError):
            client.infer("scale", ONES)
        away.rename(bundle)
        assert wait_until(lambda: httpx.get(f"{running.http}/v2/health/ready").status_code == 200, 15)
        assert client.infer("scale", ONES).version == "1"


def children(pid):
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if is_running(int(child))]


def test_a_hanging_worker_is_replaced_and_its_requests_are_told(pair):
    running, admin = pair
    (victim,) = workers(admin, "1")
    os.kill(victim, signal.SIGSTOP)
    begun = time.monotonic()
    answer = httpx.post(
        f"{running.http}/v2/models/scale/infer",
        content='{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 1, 1, 1]}]}',
        timeout=20,
    )
    assert answer.status_code == 504
    assert 0.9 < time.monotonic() - begun < 3
    assert wait_until(lambda: workers(admin, "1") not in ([], [victim]), 15)
    assert not is_running(victim)
    with Client(running.http) as client:
        assert client.infer("scale", ONES).version == "1"


def test_traffic_moves_at_once_under_load_and_no_request_is_lost(pair):
    running, admin = pair
    with Load(running.http, {"1": 1.0, "2": 2.0}) as load:
        assert wait_until(lambda: len(load.answers) > 50, 10)
        took = []
        for primary in ("2", "1", "2", "1"):
            begun = time.monotonic()
            admin.set_traffic("scale", {"primary": primary})
            took.append(time.monotonic() - begun)
            with Client(running.http) as client:
                assert client.infer("scale", ONES).version == primary
    assert not load.wrong
    assert not load.errors
    assert sorted(took)[2] < 0.1, took


def test_a_hanging_shadow_neither_delays_nor_fails_the_primary(fresh_pair):
    running, admin = fresh_pair
    admin.set_traffic("scale", {"primary": "1", "shadow": "2", "shadow_share": 1.0})
    (shadow,) = workers(admin, "2")
    os.kill(shadow, signal.SIGSTOP)
    with Load(running.http, {"1": 1.0}) as load:
        assert wait_until(lambda: len(load.answers) > 300, 15)
    assert not load.errors
    assert not load.wrong
    assert wait_until(lambda: any(o["shadow"] for o in page(admin)["observations"]), 10)
    mirrored = [o["shadow"] for o in page(admin)["observations"] if o["shadow"]]
    assert {answer["error"] for answer in mirrored[:1]} == {"deadline"}  # wrong, not missing
    assert wait_until(lambda: len(page(admin)["observations"]) == len(load.answers), 10)
    dropped = page(admin)["dropped"]
    assert dropped > 0
    assert dropped + len([o for o in page(admin)["observations"] if o["shadow"]]) == len(load.answers)
    metrics = httpx.get(f"{running.admin}/metrics").text
    assert f'burnish_mirror_dropped_total{{model="scale",version="2"}} {float(dropped)}' in metrics


def page(admin, after=0):
    return admin.observations("scale", after=after, limit=10_000)


def test_both_answers_and_the_label_meet_whichever_comes_first(fresh_pair):
    running, admin = fresh_pair
    admin.set_traffic("scale", {"primary": "1", "shadow": "2", "shadow_share": 1.0})
    with Client(running.http) as client:
        assert client.feedback("scale", "early", 3) == "waiting"
        client.infer("scale", {"x": np.array([[0, 0, 0, 9]], np.float32)}, request_id="early", user="ann")
        assert wait_until(lambda: len(page(admin)["observations"]) == 1, 5)
        client.infer("scale", {"x": np.array([[7, 0, 0, 0]], np.float32)}, request_id="late")
        assert wait_until(lambda: len(page(admin)["observations"]) == 2, 5)
        assert client.feedback("scale", "late", 0) == "joined"
        assert client.feedback("scale", "late", 1) == "duplicate"
    early, unlabelled, late = page(admin)["observations"]
    assert (early["id"], early["user"], early["label"], early["late_label"]) == ("early", "ann", 3, False)
    assert (early["served"]["version"], early["served"]["answer"]) == ("1", 3)
    assert (early["shadow"]["version"], early["shadow"]["answer"], early["shadow"]["error"]) == ("2", 3, "")
    assert (unlabelled["id"], unlabelled["label"]) == ("late", None)
    assert (late["id"], late["label"], late["late_label"]) == ("late", 0, True)
    rest = page(admin, after=early["seq"])
    assert [o["seq"] for o in rest["observations"]] == [2, 3]
    assert rest["last_seq"] == 3


def test_a_canary_falls_silent_when_its_lease_ends(pair):
    running, admin = pair
    admin.set_traffic("scale", {"primary": "1", "canary": "2", "weight": 1.0, "lease_s": 0.5})
    with Client(running.http) as client:
        assert client.infer("scale", ONES).version == "2"
        time.sleep(0.6)
        assert client.infer("scale", ONES).version == "1"


def test_sigterm_finishes_what_is_under_way_and_leaves_no_process(bundles, tmp_path):
    with serving(tmp_path / "s", bundles[1]) as running, AdminClient(running.admin) as admin:
        pids = workers(admin, "1")
        with Load(running.http, {"1": 1.0}) as load:
            assert wait_until(lambda: len(load.answers) > 50, 10)
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(15) == 0
        assert not load.wrong
        assert all(
            error.code == "capacity" for _, error in load.errors
        )  # refused connections, no lost answers
    assert wait_until(lambda: not any(map(is_running, pids)), 5)


def test_a_killed_server_leaves_no_worker_behind(bundles, tmp_path):
    with serving(tmp_path / "s", bundles[1]) as running, AdminClient(running.admin) as admin:
        pids = workers(admin, "1")
        assert all(map(is_running, pids))
        running.process.kill()
        running.process.wait()
        assert wait_until(lambda: not any(map(is_running, pids)), 5)


def test_a_killed_server_takes_even_a_hanging_worker_with_it(bundles, tmp_path):
    with serving(tmp_path / "s", bundles[1]) as running, AdminClient(running.admin) as admin:
        (pid,) = workers(admin, "1")
        os.kill(pid, signal.SIGSTOP)
        running.process.kill()
        running.process.wait()
        assert wait_until(lambda: not is_running(pid), 5)


def test_unloading_under_load_loses_no_answer(pair):
    running, admin = pair
    with Load(running.http, {"1": 1.0, "2": 2.0}, clients=6) as load:
        assert wait_until(lambda: len(load.answers) > 50, 10)
        admin.set_traffic("scale", {"primary": "2"})
        admin.unload("scale", "1")
        switched = time.monotonic()
        assert wait_until(lambda: any(at > switched + 0.2 for at, _ in load.answers), 10)
    assert not load.errors
    assert not load.wrong
    assert {version for at, version in load.answers if at > switched + 0.1} == {"2"}


def test_two_instances_share_the_work_and_batches_stay_right(bundles, tmp_path):
    with serving(tmp_path / "s", bundles[3], "--instances", "2", "--max-batch-size", "8") as running:
        with AdminClient(running.admin) as admin:
            assert len(workers(admin, "1")) == 2
        with Load(running.http, {"1": 3.0}, clients=8) as load:
            assert wait_until(lambda: len(load.answers) > 400, 20)
        assert not load.wrong
        assert not load.errors


def test_ready_line_as_json_tells_the_addresses(bundles, tmp_path):
    command = [
        sys.executable,
        "-m",
        "burnish",
        "serve",
        str(bundles[1]),
        "--port",
        "0",
        "--admin-port",
        "0",
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = ""
        while not lines.rstrip().endswith("}"):
            lines += process.stdout.readline()
        assert httpx.get(f"{json.loads(lines)['http']}/v2/health/live").status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
