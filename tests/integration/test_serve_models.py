"""What a server can be given: files, references, several versions; and models that come and go."""

import threading

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from server_process import is_running, serving, wait_until
from tritonclient.utils import InferenceServerException

from burnish.bundle import Bundle
from burnish.client import AdminClient, Client
from burnish.errors import ConflictError, InputError
from burnish.registry import Registry
from burnish.server import resolve_sources
from burnish.testing import graphs

ONES = {"x": np.ones((1, 4), np.float32)}
PICK = """
<ir_version: 10, opset_import: ["" : 20]>
pick (int64[batch] i) => (float[batch] y)
<float[3] table = {10.0, 20.0, 30.0}>
{ y = Gather(table, i) }
"""
JOIN = """
<ir_version: 10, opset_import: ["" : 20]>
join (string[batch, n] a, string[batch, n] b) => (string[batch, n] y)
{ y = StringConcat(a, b) }
"""


@pytest.fixture(scope="module")
def store(bundles, tmp_path_factory):
    """A registry with versions 1 to 3 of ``scale``; 2 is primary."""
    root = tmp_path_factory.mktemp("registry")
    with Registry(root) as registry:
        for factor in (1, 2, 3):
            registry.push(Bundle.open(bundles[factor]))
        registry.set_alias("scale", "primary", 2, expect=None)
    return root


@pytest.fixture(scope="module")
def onnx_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    graphs.from_text(PICK).save(folder / "pick.onnx")
    graphs.from_text(JOIN).save(folder / "join.onnx")
    return folder


@pytest.fixture(scope="module")
def mixed(store, onnx_files, tmp_path_factory):
    """A server of two versions of one model and of two bare graphs."""
    models = ("scale@primary", "scale@3", onnx_files / "pick.onnx", onnx_files / "join.onnx")
    with serving(tmp_path_factory.mktemp("mixed"), *models, "--registry", store) as running:
        yield running


def test_files_of_one_model_become_versions_and_a_version_named_twice_is_refused(bundles, store):
    found = resolve_sources([str(bundles[1]), str(bundles[2])], None)
    assert [(s.name, s.version) for s in found] == [("scale", "1"), ("scale", "2")]
    with Registry(store) as registry:
        assert [s.version for s in resolve_sources(["scale@3", "scale"], registry)] == ["3", "2"]
        with pytest.raises(ConflictError, match="named twice"):
            resolve_sources(["scale@primary", "scale@2"], registry)


def test_the_first_version_answers_and_others_by_name(mixed):
    with triton.InferenceServerClient(mixed.address) as client:
        x = triton.InferInput("x", (1, 4), "FP32")
        x.set_data_from_numpy(ONES["x"])
        for version, factor, asked in (("2", 2, ""), ("2", 2, "2"), ("3", 3, "3")):
            result = client.infer("scale", [x], model_version=asked)
            assert result.get_response()["model_version"] == version
            np.testing.assert_array_equal(result.as_numpy("y"), factor * ONES["x"])
        assert sorted(client.get_model_metadata("scale")["versions"]) == ["2", "3"]
        assert client.is_model_ready("scale", "3")


def test_workers_that_hold_each_weight_once_give_the_same_answers(bundles, onnx_files, tmp_path):
    with (
        serving(tmp_path, bundles[3], onnx_files / "pick.onnx", "--memory", "low") as running,
        Client(running.http) as client,
    ):
        np.testing.assert_array_equal(client.infer("scale", ONES).outputs["y"], 3 * ONES["x"])
        picked = client.infer("pick", {"i": np.array([2], np.int64)})
        np.testing.assert_array_equal(picked.outputs["y"], [30.0])


def test_long_strings_go_through_the_batch_whole(mixed):
    words = np.array([["ä" * 40_000, "short"], ["", "日本"]], dtype=object)
    answers = {}

    def ask(number):
        with triton.InferenceServerClient(mixed.address) as client:
            a, b = (triton.InferInput(name, words.shape, "BYTES") for name in "ab")
            a.set_data_from_numpy(words)
            b.set_data_from_numpy(np.full(words.shape, str(number), dtype=object))
            answers[number] = client.infer("join", [a, b]).as_numpy("y")

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(8):
        assert [w.decode() for w in answers[number].flat] == [f"{w}{number}" for w in words.flat]


def test_a_clients_odd_values_are_its_own_fault_and_cost_its_neighbours_nothing(mixed):
    statuses = {}

    def ask(number):
        index = 9 if number % 4 == 0 else number % 3
        tensor = {"name": "i", "shape": [1], "datatype": "INT64", "data": [index]}
        answer = httpx.post(f"{mixed.http}/v2/models/pick/infer", json={"inputs": [tensor]}, timeout=20)
        statuses[number] = (answer.status_code, index, answer.json())

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for status, index, answer in statuses.values():
        if index == 9:
            assert status == 400
            assert "idx=9" in answer["error"]
        else:
            assert answer["outputs"][0]["data"] == [10.0 * (index + 1)]


def test_tritonclient_loads_and_unloads_what_the_registry_holds(store, onnx_files, tmp_path):
    with (
        serving(tmp_path / "s", onnx_files / "pick.onnx", "--registry", store) as running,
        triton.InferenceServerClient(running.address) as client,
    ):
        states = {row["name"]: row["state"] for row in client.get_model_repository_index()}
        assert states == {"pick": "READY", "scale": "UNAVAILABLE"}
        for _ in range(2):
            client.load_model("scale")
            assert client.is_model_ready("scale")
            x = triton.InferInput("x", (1, 4), "FP32")
            x.set_data_from_numpy(ONES["x"])
            assert client.infer("scale", [x]).get_response()["model_version"] == "2"
            with AdminClient(running.admin) as admin:
                (pid,) = versions(admin, "scale")["2"]["workers"]
            client.unload_model("scale")
            assert not client.is_model_ready("scale")
            assert wait_until(lambda pid=pid: not is_running(pid), 5)
        with pytest.raises(InferenceServerException, match="not supported"):
            client.load_model("scale", config='{"max_batch_size": 3}')
        with pytest.raises(InferenceServerException, match="nothing"):
            client.load_model("nothing")


def versions(admin, name):
    model = next(m for m in admin.models()["models"] if m["name"] == name)
    return {v["version"]: v for v in model["versions"]}


def test_an_operator_loads_by_reference_and_a_new_model_gets_its_traffic(
    store, onnx_files, bundles, tmp_path
):
    with (
        serving(tmp_path / "s", onnx_files / "pick.onnx", "--registry", store) as running,
        AdminClient(running.admin) as admin,
        Client(running.http) as client,
    ):
        admin.load("scale", "7", "scale@3")
        admin.load("scale", "8", str(bundles[1]))
        assert admin.traffic("scale")["primary"] == "7"
        assert sorted(versions(admin, "scale")) == ["7", "8"]
        np.testing.assert_array_equal(client.infer("scale", ONES).outputs["y"], 3 * ONES["x"])
        admin.load("scale", "8", str(bundles[1]))  # again: nothing happens
        with pytest.raises(InputError):
            admin.load("scale", "9", str(tmp_path / "nothing.burnish"))
        assert admin.traffic("scale")["primary"] == "7"
