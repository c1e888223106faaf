"""However a bundle's bytes are damaged, opening it ends in an ArtifactError and never in anything else."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burnish.bundle import Bundle, EngineChoice, PackRequest, pack
from burnish.bundle.manifest import parse_manifest
from burnish.errors import ArtifactError
from burnish.testing import graphs


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    request = PackRequest(
        name="m",
        engine=EngineChoice(backend="onnxruntime"),
        golden_inputs={"x": np.ones((1, 3), np.float32)},
    )
    return pack(tmp_path_factory.mktemp("bundle") / "m.burnish", graphs.double(), request)


EDITS = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=8), st.integers(0, 8)), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, verify=st.booleans())
def test_edited_bytes(archive, tmp_path, edits, verify):
    """Without verification an edit may go unseen, but even then nothing else than an ArtifactError escapes."""
    data = original = archive.path.read_bytes()
    for where, inserted, removed in edits:
        at = int(where * len(data))
        data = data[:at] + inserted + data[at + removed :]
    path = tmp_path / "edited.burnish"
    path.write_bytes(data)
    try:
        bundle = Bundle.open(path, verify=verify)
    except ArtifactError:
        assert data != original
        return
    assert data == original or not verify
    try:
        bundle.graph()
        bundle.golden()
    except ArtifactError:
        assert data != original


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_edited_manifests(archive, data):
    """A manifest with any value replaced by any other is read as such, or refused."""
    document = json.loads(archive.manifest.to_json())
    key = data.draw(st.sampled_from(sorted(document)))
    document[key] = data.draw(JSON)
    raw = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        manifest = parse_manifest(raw.encode("utf-8", "surrogatepass"), source="x")
    except ArtifactError:
        return
    assert manifest.to_json() == raw.encode()
