"""Versions are immutable, numbered, complete and found by any of their names."""

import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa

from burnish.bundle import Bundle
from burnish.errors import ArtifactError, ConflictError, InputError, NotFoundError
from burnish.registry import Registry
from burnish.registry.records import split_reference


def blobs(registry):
    return sorted(path for path in (registry.root / "blobs" / "sha256").rglob("*") if path.is_file())


def test_versions_are_numbered_as_they_come(registry, bundles):
    assert [registry.push(bundle).version for bundle in bundles] == [1, 2, 3]
    assert [version.version for version in registry.versions("m")] == [3, 2, 1]
    assert [version.version for version in registry.versions("m", limit=1)] == [3]
    assert registry.models() == ["m"]


def test_the_same_bundle_is_the_same_version(registry, bundles):
    first = registry.push(bundles[0])
    again = registry.push(bundles[0])
    assert again == first
    assert len(registry.audit()) == 1
    assert registry.push(bundles[0], name="other").version == 1


def test_versions_share_their_blobs(filled, bundles):
    assert len(blobs(filled)) == len(bundles[0].manifest.files) == 2
    assert not list(filled.root.rglob("*.tmp"))


def test_a_version_is_found_by_number_alias_or_as_the_newest(filled):
    filled.set_alias("m", "primary", 2)
    assert filled.get("m@2").version == filled.get("m@primary").version == 2
    assert filled.get("m").version == 3
    assert filled.get("m@2").aliases == ("primary",)


def test_what_was_pushed_is_what_is_found(filled, bundles):
    for number, bundle in enumerate(bundles, start=1):
        found = filled.get(f"m@{number}")
        assert (found.digest, found.manifest, found.parent) == (
            bundle.digest,
            bundle.manifest,
            bundle.manifest.parent,
        )


@pytest.mark.parametrize(
    ("reference", "says", "hint"),
    [
        ("n", "no model 'n'", "did you mean|known: m"),
        ("m@4", "no version 4", "the newest is 3"),
        ("m@" + "9" * 40, "no version 99", "the newest is 3"),
        ("m@primry", "no alias 'primry'", "did you mean 'primary'"),
        ("m@²", "no alias", "known: primary"),
    ],
)
def test_what_is_not_there_is_named_with_the_nearest(filled, reference, says, hint):
    filled.set_alias("m", "primary", 1)
    with pytest.raises(NotFoundError, match=says) as caught:
        filled.get(reference)
    assert any(part in caught.value.hint for part in hint.split("|"))


@pytest.mark.parametrize("reference", ["", "@", "m@", "@3", "m@1@2"])
def test_a_reference_that_is_none(reference):
    with pytest.raises(InputError, match="not a reference"):
        split_reference(reference)


@pytest.mark.parametrize("name", ["../m", "M", "a" * 129, "m\0", "m m"])
def test_an_odd_name_is_refused_before_anything_is_stored(registry, bundles, name):
    with pytest.raises(InputError, match="cannot be a model's name"):
        registry.push(bundles[0], name=name)
    assert not registry.root.exists()


def test_reading_makes_no_registry(tmp_path):
    with pytest.raises(NotFoundError, match="no registry here"):
        Registry(tmp_path / "typo", create=False).models()
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize("out", ["pulled", "pulled.burnish"])
def test_a_pulled_bundle_is_the_pushed_one(filled, bundles, tmp_path, out):
    pulled = filled.pull("m@2", tmp_path / out)
    assert Bundle.open(pulled.path).digest == bundles[1].digest
    assert pulled.read("graph.onnx") == bundles[1].read("graph.onnx")
    with pytest.raises(ConflictError, match="already exists"):
        filled.pull("m@2", tmp_path / out)


def test_a_pulled_file_is_the_pushed_file_in_every_byte(filled, bundles, tmp_path):
    filled.pull("m@1", tmp_path / "again.burnish")
    assert (tmp_path / "again.burnish").read_bytes() == bundles[0].path.read_bytes()


def test_a_version_is_laid_out_once_for_servers(filled, bundles):
    source = filled.source("m", 1)
    assert Bundle.open(source).digest == bundles[0].digest
    assert filled.source("m", "1") == source
    assert filled.open("m@1").digest == bundles[0].digest


def test_a_damaged_layout_is_put_aside_and_made_again(filled, bundles):
    folder = filled.open("m@1").path
    (folder / "graph.onnx").write_bytes(b"damaged")
    assert filled.open("m@1").read("graph.onnx") == bundles[0].read("graph.onnx")
    assert len(list((filled.root / "bundles" / "quarantine").iterdir())) == 1


def test_a_flipped_bit_in_a_blob_is_found_and_quarantined(filled, bundles, tmp_path):
    blob = blobs(filled)[0]
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    with pytest.raises(ArtifactError, match=blob.name):
        filled.pull("m@1", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [p.name.partition(".")[0] for p in (filled.root / "blobs" / "quarantine").iterdir()] == [blob.name]
    with pytest.raises(ArtifactError, match="missing"):
        filled.verify("m@1")
    filled.push(bundles[0])  # the same bundle again mends it
    assert filled.verify("m@1").files == 2


def test_a_push_does_not_trust_a_blob_that_is_there(filled, bundles):
    blob = blobs(filled)[0]
    blob.write_bytes(b"damaged")
    filled.push(bundles[0], name="other")
    assert filled.verify("other@1").bytes == sum(e.bytes for e in bundles[0].manifest.files)


def test_a_bundle_that_was_damaged_after_it_was_opened_is_not_pushed(registry, bundles, tmp_path):
    registry.push(bundles[0], name="seed")
    registry.pull("seed", tmp_path / "b")
    bundle = Bundle.open(tmp_path / "b")
    fresh = Registry(tmp_path / "fresh")
    (tmp_path / "b" / "golden.npz").write_bytes(b"other")
    with pytest.raises(ArtifactError, match="its bytes have sha256"):
        fresh.push(bundle)
    assert fresh.models() == []
    assert fresh.audit() == []
    fresh.close()


def test_versions_cannot_be_changed_in_the_database(filled):
    for statement in (
        "UPDATE versions SET digest = 'x'",
        "DELETE FROM versions",
        "UPDATE audit SET actor = 'x'",
    ):
        with pytest.raises(sa.exc.IntegrityError, match="written once"), filled.engine.begin() as connection:
            connection.exec_driver_sql(statement)


def test_a_damaged_manifest_in_the_database_is_found(filled):
    with sqlite3.connect(filled.root / "registry.db") as raw:
        raw.execute("DROP TRIGGER versions_no_update")
        raw.execute("UPDATE versions SET manifest = (SELECT manifest FROM versions WHERE version = 2)")
    raw.close()
    assert filled.get("m@2").manifest.hyper_parameters == {"number": 2}
    with pytest.raises(ArtifactError, match=r"m@1: its manifest has digest"):
        _ = filled.get("m@1").manifest


def test_lineage_goes_back_to_the_first(filled):
    assert [version.version for version in filled.lineage("m@3")] == [3, 2, 1]
    assert [version.version for version in filled.lineage("m@1")] == [1]


def test_a_registry_stays_small_when_imported():
    heavy = "numpy onnx onnx_ir onnxruntime torch scipy openvino".split()
    code = f"import burnish.registry, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
