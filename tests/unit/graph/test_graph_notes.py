"""Ragged axes and layouts travel with the file, and change nothing else."""

import json

import pytest

from burnish.errors import ShapeError
from burnish.graph import ComputeGraph, Signature, TensorSpec
from burnish.graph.notes import NOTES
from burnish.testing import graphs


@pytest.fixture
def graph():
    return graphs.from_text("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (int64[batch, length] tokens, float[batch, 3, 8, 8] image) => (int64[batch, length] y) { y = Neg(tokens) }
    """)


def test_notes_survive_the_file_and_the_manifest(graph, tmp_path):
    noted = graph.annotated(ragged={"tokens": [1], "y": [1]}, layouts={"image": "NCHW"})
    noted.save(tmp_path / "m.onnx")
    for signature in (
        ComputeGraph(tmp_path / "m.onnx").signature,
        Signature.from_dict(json.loads(json.dumps(noted.signature.to_dict()))),
    ):
        tokens, image = signature.inputs
        assert (tokens.ragged, tokens.layout) == ((1,), None)
        assert (image.ragged, image.layout) == ((), "NCHW")
        assert signature.outputs[0].ragged == (1,)


def test_notes_are_added_to_those_there_are(graph):
    noted = graph.annotated(ragged={"tokens": [1]}).annotated(layouts={"tokens": "BL"})
    assert (noted.signature.inputs[0].ragged, noted.signature.inputs[0].layout) == ((1,), "BL")
    assert graph.signature.inputs[0].ragged == ()


def test_notes_change_neither_identity_nor_what_fits(graph):
    noted = graph.annotated(ragged={"tokens": [1]}, layouts={"image": "NCHW"})
    assert noted.signature == graph.signature
    assert hash(noted.signature) == hash(graph.signature)
    assert noted.digest == graph.digest


def test_data_without_notes_reads_and_writes_as_ever():
    data = {"name": "x", "dtype": "float32", "shape": ["batch", 3]}
    spec = TensorSpec.from_dict(data)
    assert (spec.ragged, spec.layout) == ((), None)
    assert spec.to_dict() == data


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ({"ragged": {"token": [1]}}, "no input or output is called 'token'"),
        ({"ragged": {"tokens": [0]}}, "axis 0 of 'tokens' cannot be ragged"),
        ({"ragged": {"tokens": [2]}}, "axis 2"),
        ({"ragged": {"image": [1]}}, "axis 1 of 'image'"),
        ({"layouts": {"image": "NCH"}}, "layout 'NCH' does not name the axes"),
        ({"layouts": {"image": "NCHH"}}, "layout 'NCHH'"),
    ],
)
def test_notes_that_do_not_fit_are_refused(graph, notes, words):
    with pytest.raises(ShapeError, match=words):
        graph.annotated(**notes)


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"tokens": 3}',
        '{"tokens": {"ragged": [7], "layout": null}}',
        '{"other": {"ragged": [1]}}',
    ],
)
def test_notes_of_others_are_no_reason_to_refuse_a_file(graph, text):
    model = graph.model.clone()
    model.metadata_props[NOTES] = text
    assert [spec.ragged for spec in ComputeGraph(model).signature.inputs] == [(), ()]
