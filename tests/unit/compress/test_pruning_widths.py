import json

import numpy as np
import pytest

from burnish.compress.pruning.layer_shapes import LayerShape
from burnish.compress.pruning.width_probe import probe
from burnish.compress.pruning.widths import LayerTime, WidthTable, measure_widths
from burnish.compress.target_engine import EngineConfig
from burnish.errors import CompileError, MissingExtraError
from burnish.runtime.session import open_session

CONV = LayerShape("conv", 8, 16, (6, 6), (3, 3), (2, 2), (1, 1), (1, 1))
SHAPES = {
    "conv": CONV,
    "depthwise": LayerShape("conv", 16, 16, (6, 6), (3, 3), (1, 1), (1, 1), (1, 1), 16),
    "one axis": LayerShape("conv", 4, 8, (20,), (3,), (1,), (1,), (2,)),
    "transposed": LayerShape("transposed", 8, 12, (4, 4), (2, 2), (2, 2), (0, 0), (1, 1)),
    "linear": LayerShape("linear", 24, 40, ()),
    "tokens": LayerShape("linear", 24, 40, (7,)),
}


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", SHAPES)
def test_every_layer_runs_by_itself_in_every_engine(name, precision, backend):
    shape = SHAPES[name]
    graph, feeds = probe(shape, 3, precision)
    with open_session(graph, backend=backend) as session:
        (answer,) = session.run(feeds).values()
    assert answer.shape[0] == 3
    assert answer.shape[-1 if shape.kind == "linear" else 1] == shape.outer
    assert np.isfinite(answer).all()
    assert answer.std() > 0
    assert ("QuantizeLinear" in graph.operators()) == (precision == "int8")


def measured(tmp_path, shapes, **settings):
    told = []
    engine = EngineConfig(**settings)
    table = measure_widths(
        shapes,
        engine,
        journal=tmp_path / "widths.json",
        cache=tmp_path / "cache",
        on_progress=lambda done, of: told.append((done, of)),
    )
    return table, told


def test_each_layer_is_measured_once_on_a_machine(tmp_path):
    shapes = [SHAPES["conv"], SHAPES["linear"], SHAPES["conv"]]
    first, told = measured(tmp_path, shapes)
    assert told == [(2, 2)]
    assert set(first.times) == {shape.key for shape in shapes}
    assert all(time.seconds > 0 and time.error >= 0 for time in first.times.values())
    again, told = measured(tmp_path, shapes)
    assert told == []
    assert again == first


def test_other_numbers_and_batches_are_measured_apart(tmp_path):
    measured(tmp_path, [CONV])
    for settings in ({"precision": "int8"}, {"batch": 2}, {"backend": "openvino"}, {"threads": 1}):
        assert measured(tmp_path, [CONV], **settings)[1] == [(1, 1)]
        assert measured(tmp_path, [CONV], **settings)[1] == []


def test_a_run_goes_on_with_the_numbers_it_began_with(tmp_path):
    first, _ = measured(tmp_path, [CONV])
    journal = tmp_path / "widths.json"
    stored = json.loads(journal.read_bytes())
    (section,) = stored
    stored[section][CONV.key]["seconds"] = 123.0
    journal.write_text(json.dumps(stored))
    again, told = measured(tmp_path, [CONV])
    assert told == []
    assert again.times[CONV.key].seconds == 123.0
    assert first.times[CONV.key].seconds < 123.0


def test_a_journal_that_cannot_be_read_is_made_anew(tmp_path):
    (tmp_path / "widths.json").write_text("{")
    table, told = measured(tmp_path, [CONV])
    assert told == [(1, 1)]
    assert CONV.key in table.times


def test_layers_together_take_the_sum_and_are_unknown_when_one_is():
    table = WidthTable({"linear 1-2 at 1": LayerTime(3.0, 0.1), "linear 2-4 at 1": LayerTime(1.0, 0.0)})
    one, two, none = (LayerShape("linear", n, 2 * n, ()) for n in (1, 2, 3))
    together = table.time([one, two])
    assert together.seconds == 4.0
    assert together.error == pytest.approx(0.3 / 4)
    assert table.time([one, none]) is None
    assert table.time([]) is None


class Refusing:
    """In place of `EngineConfig.open`."""

    def __init__(self, error):
        self.error, self.asked = error, 0

    def __call__(self, *_):
        self.asked += 1
        raise self.error


def test_a_layer_that_cannot_be_timed_is_tried_once_in_a_run(tmp_path, monkeypatch):
    linear = SHAPES["linear"]
    measured(tmp_path, [linear])
    refusing = Refusing(CompileError("no such layer"))
    with monkeypatch.context() as patch:
        patch.setattr(EngineConfig, "open", refusing)
        for _ in range(2):
            table, _ = measured(tmp_path, [CONV, linear])
            assert set(table.times) == {linear.key}
            assert table.time([CONV]) is None
    assert refusing.asked == 1
    (tmp_path / "widths.json").unlink()  # another run tries it again
    assert CONV.key in measured(tmp_path, [CONV])[0].times


def test_an_engine_that_is_not_installed_is_no_layer_without_a_time(tmp_path, monkeypatch):
    missing = MissingExtraError("openvino", extra="openvino", need="the back end 'openvino'")
    monkeypatch.setattr(EngineConfig, "open", Refusing(missing))
    with pytest.raises(MissingExtraError, match="openvino"):
        measured(tmp_path, [CONV])


def test_what_an_engine_leaves_open_is_filled_in_and_the_rest_stays():
    assert EngineConfig().settled("openvino", 8) == EngineConfig(backend="openvino", batch=8)
    own = EngineConfig(backend="torch", batch=2, threads=3)
    assert own.settled("openvino", 8) == own
    assert EngineConfig().settled() == EngineConfig(backend="onnxruntime", batch=1)


@pytest.mark.parametrize("settings", [{"batch": -1}, {"threads": -1}])
def test_settings_of_the_engine_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        EngineConfig(**settings)
