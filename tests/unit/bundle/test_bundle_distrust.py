"""A bundle that is wrong in any way is refused when it is opened, by one clear error."""

import io
import json
import os
import zipfile

import numpy as np
import pytest

from burnish.bundle import Bundle
from burnish.bundle.container import check_path
from burnish.bundle.golden import decode
from burnish.bundle.manifest import Manifest, parse_manifest
from burnish.errors import ArtifactError, NotFoundError
from burnish.files import sha256_bytes
from burnish.testing import graphs


def rezip(path, members, comment=b"", **options):
    with zipfile.ZipFile(path, "w", **options) as target:
        for name, data in members:
            target.writestr(name, data)
        target.comment = comment
    return path


def members_of(bundle):
    with zipfile.ZipFile(bundle.path) as source:
        return [(name, source.read(name)) for name in source.namelist()]


def rewrite_manifest(bundle, change, *, canonical=True):
    """Change a folder's manifest and make its seal fit."""
    document = json.loads((bundle.path / "manifest.json").read_bytes())
    change(document)
    data = json.dumps(document, sort_keys=canonical, separators=(",", ":"), ensure_ascii=False).encode()
    (bundle.path / "manifest.json").write_bytes(data)
    seal = f"{sha256_bytes(data)}  manifest.json\n"
    (bundle.path / "manifest.json.sha256").write_text(seal)


def test_every_flipped_bit_of_a_file_is_found(archive):
    """One bit of every byte, the bit position going round: headers, data, directory, seal."""
    data = archive.path.read_bytes()
    missed = []
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        archive.path.write_bytes(changed)
        try:
            Bundle.open(archive.path)
        except ArtifactError:
            continue
        missed.append(position)
    assert missed == []


def test_a_flipped_bit_in_any_file_of_a_folder_is_found(folder):
    missed = []
    for file in sorted(folder.path.iterdir()):
        data = file.read_bytes()
        for position in range(0, len(data), 7):
            changed = bytearray(data)
            changed[position] ^= 1 << position % 8
            file.write_bytes(changed)
            try:
                Bundle.open(folder.path)
            except ArtifactError:
                continue
            missed.append((file.name, position))
        file.write_bytes(data)
    assert missed == []


def test_half_a_zip(archive):
    data = archive.path.read_bytes()
    for length in (0, 1, 30, len(data) // 2, len(data) - 65, len(data) - 1):
        archive.path.write_bytes(data[:length])
        with pytest.raises(ArtifactError):
            Bundle.open(archive.path)


def test_nothing_at_the_path(tmp_path):
    with pytest.raises(NotFoundError, match="no such bundle"):
        Bundle.open(tmp_path / "absent.burnish")


def test_a_zip_that_is_no_bundle(tmp_path):
    with pytest.raises(ArtifactError, match="not a bundle"):
        Bundle.open(rezip(tmp_path / "x.burnish", [("readme", b"hello")]))


def test_an_empty_folder(tmp_path):
    with pytest.raises(ArtifactError, match="not a bundle"):
        Bundle.open(tmp_path)


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "C:evil", "..\\evil"])
def test_a_zip_that_climbs_out(archive, tmp_path, name):
    path = rezip(tmp_path / "evil.burnish", [*members_of(archive), (name, b"evil")])
    with pytest.raises(ArtifactError, match="leads out"):
        Bundle.open(path)


@pytest.mark.parametrize("name", ["a//b", "./a", "a/./b", "a\nb", "."])
def test_a_path_with_a_second_spelling(name):
    with pytest.raises(ArtifactError, match="not plain"):
        check_path(name, source="x")


def test_a_manifest_that_climbs_out(folder):
    rewrite_manifest(folder, lambda d: d["files"][0].update(path="../graph.onnx"))
    with pytest.raises(ArtifactError, match="leads out"):
        Bundle.open(folder.path)


def test_a_compressed_member_cannot_inflate(archive, tmp_path):
    bomb = [*members_of(archive), ("bomb", b"\0" * (64 << 20))]
    path = rezip(tmp_path / "bomb.burnish", bomb, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ArtifactError, match="compressed"):
        Bundle.open(path)


def test_members_cannot_claim_more_than_the_file_holds(archive):
    """A zip may let many entries share the same bytes: together they would inflate."""
    data = bytearray(archive.path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    for offset in (20, 24):  # compressed and plain size in the central directory
        data[at + offset : at + offset + 4] = (1 << 30).to_bytes(4, "little")
    archive.path.write_bytes(data)
    for verify in (True, False):
        with pytest.raises(ArtifactError, match="larger than the whole file"):
            Bundle.open(archive.path, verify=verify)


def test_a_zip_made_by_somebody_else_has_no_seal(archive, tmp_path):
    path = rezip(tmp_path / "again.burnish", members_of(archive))
    with pytest.raises(ArtifactError, match="seal"):
        Bundle.open(path)


def test_a_member_twice(archive, tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = rezip(tmp_path / "twice.burnish", [*members_of(archive), ("graph.onnx", b"other")])
    with pytest.raises(ArtifactError, match="twice"):
        Bundle.open(path)


def test_a_file_that_is_also_a_folder(archive, tmp_path):
    members = dict(members_of(archive))
    document = json.loads(members["manifest.json"])
    document["files"].append({"path": "graph.onnx/x", "sha256": sha256_bytes(b""), "bytes": 0})
    data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    members |= {"manifest.json": data, "graph.onnx/x": b""}
    members["manifest.json.sha256"] = f"{sha256_bytes(data)}  manifest.json\n".encode()
    path = rezip(tmp_path / "both.burnish", members.items())
    with pytest.raises(ArtifactError, match="is a file and a folder"):
        Bundle.open(path, verify=False)


def test_a_changed_file_is_named_with_both_digests(folder):
    listed = next(e for e in folder.manifest.files if e.path == "golden.npz")
    (folder.path / "golden.npz").write_bytes(b"other")
    with pytest.raises(ArtifactError) as caught:
        Bundle.open(folder.path)
    for part in ("golden.npz", listed.sha256, sha256_bytes(b"other")):
        assert part in caught.value.message


def test_a_missing_file_and_an_added_one(folder):
    (folder.path / "more.bin").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"more\.bin is not in the manifest"):
        Bundle.open(folder.path)
    (folder.path / "more.bin").unlink()
    (folder.path / "graph.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"graph\.onnx is missing"):
        Bundle.open(folder.path)


def test_links_and_pipes_are_refused(folder):
    (folder.path / "link").symlink_to("/etc/hostname")
    with pytest.raises(ArtifactError, match="plain files only"):
        Bundle.open(folder.path)
    (folder.path / "link").unlink()
    os.mkfifo(folder.path / "pipe")
    with pytest.raises(ArtifactError, match="plain files only"):
        Bundle.open(folder.path)


def test_a_newer_schema_says_upgrade(folder):
    rewrite_manifest(folder, lambda d: d.update(schema=2, something_new=[1]))
    with pytest.raises(ArtifactError, match="schema 2") as caught:
        Bundle.open(folder.path)
    assert caught.value.hint == "upgrade burnish"


def test_an_unknown_key_is_refused(folder):
    rewrite_manifest(folder, lambda d: d.update(licens="MIT"))
    with pytest.raises(ArtifactError, match="licens"):
        Bundle.open(folder.path)


def test_another_order_of_keys_is_refused(folder):
    rewrite_manifest(folder, lambda d: d.update(created=d.pop("created")), canonical=False)
    with pytest.raises(ArtifactError, match="changed after"):
        Bundle.open(folder.path)


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"{", b"\xff", b'{"schema":1}', b'{"schema":true}', b'{"a":' + b"[" * 100_000],
)
def test_a_manifest_that_is_none(data):
    with pytest.raises(ArtifactError):
        parse_manifest(data, source="x")


def test_fields_at_their_default_are_left_out(folder):
    """So that a field that is added later changes no digest of today."""
    data = json.loads(folder.manifest.to_json())
    assert "recipe" not in data
    assert "device" not in data["engine"]
    assert isinstance(parse_manifest(folder.manifest.to_json(), source="x"), Manifest)


def test_a_signature_that_is_not_the_graphs(folder):
    rewrite_manifest(folder, lambda d: d["signature"]["inputs"][0].update(name="z"))
    with pytest.raises(ArtifactError, match="another signature"):
        Bundle.open(folder.path).graph()


def test_a_signature_that_is_none(folder):
    rewrite_manifest(folder, lambda d: d.update(signature={"inputs": [3]}))
    with pytest.raises(ArtifactError, match="malformed"):
        Bundle.open(folder.path).graph()


def test_a_graph_that_is_no_graph(folder):
    (folder.path / "graph.onnx").write_bytes(b"nonsense")
    fresh = {"sha256": sha256_bytes(b"nonsense"), "bytes": 8}
    rewrite_manifest(folder, lambda d: d["files"][0].update(fresh))
    with pytest.raises(ArtifactError, match=r"graph\.onnx"):
        Bundle.open(folder.path).graph()


def npz(save=np.savez, **arrays):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


X, Y = np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        npz(**{"input/x": np.array([{"pickled": 1}], dtype=object), "output/y": Y}),
        npz(np.savez_compressed, **{"input/x": X, "output/y": Y}),
        npz(**{"input/x": X}),
        npz(**{"input/x": X, "output/y": Y, "output/z": Y}),
        npz(**{"input/x": X.astype(np.int8), "output/y": Y}),
        npz(x=X, y=Y),
    ],
)
def test_golden_samples_that_are_none(data):
    with pytest.raises(ArtifactError, match="golden sample"):
        decode(data, graphs.double().signature, source="x")


def test_a_bundle_damaged_after_it_was_opened_is_found_at_the_next_read(packed):
    target = packed.path if packed.path.is_file() else packed.path / "graph.onnx"
    data = bytearray(target.read_bytes())
    data[60] ^= 1
    target.write_bytes(data)
    with pytest.raises(ArtifactError):
        packed.graph()
