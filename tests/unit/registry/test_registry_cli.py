"""``burnish registry`` from the outside: output, exit codes, hints."""

import json
import sys

import pytest

from burnish.bundle import Bundle
from burnish.cli.main import main


@pytest.fixture
def burnish(monkeypatch, capsys, tmp_path):
    """Run ``burnish registry`` in this process; return its exit code, standard output and standard error."""
    monkeypatch.setenv("BURNISH_REGISTRY", str(tmp_path / "store"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["burnish", "registry", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code
        return (code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def pushed(burnish, bundles):
    for bundle in bundles:
        assert burnish("push", bundle.path)[0] == 0
    return burnish


def told(answer):
    code, out, err = answer
    assert code == 0, err
    return json.loads(out)


def test_push_and_list(burnish, bundles, tmp_path):
    first = told(burnish("push", bundles[0].path, "--json"))
    assert (first["name"], first["version"], first["digest"]) == ("m", 1, bundles[0].digest)
    assert told(burnish("push", bundles[0].path, "--json")) == first
    assert told(burnish("push", bundles[1].path, "--name", "other", "--json"))["name"] == "other"
    assert [(v["name"], v["version"]) for v in told(burnish("list", "--json"))] == [("m", 1), ("other", 1)]
    assert told(burnish("list", "other", "--json"))[0]["digest"] == bundles[1].digest
    assert "other" in burnish("list")[1]
    elsewhere = told(burnish("push", bundles[2].path, "--registry", tmp_path / "elsewhere", "--json"))
    assert elsewhere["version"] == 1


def test_aliases_and_show(pushed):
    moved = told(pushed("alias", "m@2", "primary", "--json"))
    assert (moved["version"], moved["generation"]) == (2, 1)
    moved = told(pushed("alias", "m@3", "primary", "--expect-generation", 1, "--json"))
    assert (moved["version"], moved["previous"], moved["generation"]) == (3, 2, 2)
    code, _, err = pushed("alias", "m@1", "primary", "--expect-generation", 1)
    assert code == 2
    assert "error (conflict)" in err
    shown = told(pushed("show", "m@primary", "--json"))
    assert shown["version"] == 3
    assert shown["aliases"] == [moved]
    assert shown["lineage"] == ["m@2", "m@1"]
    assert shown["manifest"]["hyper_parameters"] == {"number": 3}
    assert "before it version 2" in pushed("show", "m@primary")[1]
    assert pushed("alias", "m", "primary", "--drop")[0] == 0
    assert pushed("show", "m@primary")[0] == 2
    assert told(pushed("list", "m", "--limit", 1, "--json"))[0]["aliases"] == []


def test_pull_and_verify(pushed, bundles, tmp_path):
    pulled = told(pushed("pull", "m@1", "--out", tmp_path / "b.burnish", "--json"))
    assert Bundle.open(pulled["path"]).digest == pulled["digest"] == bundles[0].digest
    verified = told(pushed("verify", "m@1", "--lock-policy", "strict", "--json"))
    assert verified["differences"] == []
    assert verified["files"] == 2
    assert "every byte is right" in pushed("verify", "m@1")[1]


def test_a_damaged_blob_has_its_own_exit_code(pushed, tmp_path):
    blob = next(path for path in (tmp_path / "store" / "blobs" / "sha256").rglob("*") if path.is_file())
    blob.write_bytes(b"damaged")
    code, _, err = pushed("verify", "m@1")
    assert code == 5
    assert blob.name in "".join(err.split())
    assert "push the bundle again" in err


def test_the_audit_log(pushed):
    pushed("alias", "m@1", "primary")
    log = told(pushed("audit", "--json"))
    assert log["verified_entries"] == 4
    assert [entry["action"] for entry in log["entries"]] == ["push", "push", "push", "alias"]
    assert len(told(pushed("audit", "m", "--limit", 1, "--json"))["entries"]) == 1
    assert "the chain is whole" in pushed("audit")[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "n"], "no model 'n'"),
        (["show", "m@9"], "no version 9"),
        (["show", "m@"], "not a reference"),
        (["list", "n"], "no model 'n'"),
        (["pull", "m@9", "--out", "x"], "no version 9"),
        (["alias", "m", "primary"], "needs a version"),
        (["alias", "m@1", "primary", "--drop"], "only the model's name"),
        (["alias", "m@1", "7"], "looks like a version"),
        (["verify", "m@1", "--lock-policy", "strct"], "unknown runtime-lock policy"),
        (["push", "absent.burnish"], "no such bundle"),
    ],
)
def test_bad_input_is_one_clear_error(pushed, arguments, says):
    code, _, err = pushed(*arguments)
    assert code == 2
    assert says in " ".join(err.split())
    assert "hint:" in err


def test_without_a_registry_reading_says_so(burnish):
    for arguments in (["list"], ["show", "m"], ["audit"], ["alias", "m@1", "primary"]):
        code, _, err = burnish(*arguments)
        assert code == 2
        assert "no registry here" in " ".join(err.split())
