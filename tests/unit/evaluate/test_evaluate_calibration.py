"""Measuring the operators of the real engine, a few of them."""

import pytest

from burnish.evaluate import calibration
from burnish.evaluate.calibration import calibrate
from burnish.evaluate.micro import design


@pytest.fixture
def few(monkeypatch):
    """Measure a handful only."""
    chosen = [micro for micro in design(share=0.01) if micro.kind in ("softmax", "conv", "reduce")]
    monkeypatch.setattr(calibration, "design", lambda share=1.0: chosen)
    return chosen


def test_the_design_is_the_same_each_time_and_names_each_graph_once():
    keys = [micro.key for micro in design()]
    assert keys == [micro.key for micro in design()]
    assert len(set(keys)) == len(keys)


def test_what_was_measured_before_an_interruption_is_kept(few, tmp_path):
    def interrupt(done, total):
        assert total == len(few)
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate(folder=tmp_path, on_progress=interrupt)
    seen = []
    whole = calibrate(folder=tmp_path, on_progress=lambda done, _: seen.append(done))
    assert whole.complete
    assert seen == list(range(1, len(few) + 1))
    assert len({sample.key for sample in whole.samples}) == len(few) == len(whole.samples)
    assert all(sample.seconds > 0 and sample.parts for sample in whole.samples)
    assert calibrate(folder=tmp_path, on_progress=lambda *_: pytest.fail("measured again")) == whole
