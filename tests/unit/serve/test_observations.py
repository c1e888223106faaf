"""What a request came to, and the label that belongs to it."""

import ml_dtypes
import numpy as np
import orjson

from burnish.serve.observations import Answered, Observations, summarize

ONE = Answered(version="1", answer=3)


def test_the_oldest_observations_and_labels_make_room():
    log = Observations(3)
    for i in range(10):
        log.label(f"waiting-{i}", 0)
        log.record(str(i), "", ONE, None)
    assert [o["id"] for o in log.page(0, 100)["observations"]] == ["7", "8", "9"]
    assert log.label("0", 1) == "waiting"  # long gone
    log.record("waiting-0", "", ONE, None)
    assert log.page(0, 100)["observations"][-1]["label"] is None


def test_pages_follow_one_another_without_gap_or_overlap():
    log = Observations(100)
    for i in range(25):
        log.record(str(i), "", ONE, None)
    seen, after = [], 0
    while page := log.page(after, 10)["observations"]:
        seen += [o["id"] for o in page]
        after = page[-1]["seq"]
    assert seen == [str(i) for i in range(25)]
    assert log.page(after, 10)["last_seq"] == after


def test_each_life_of_a_server_has_its_own_epoch_and_counts_from_one():
    assert Observations(1).epoch != Observations(1).epoch
    assert Observations(1).page(99, 10)["last_seq"] == 0


def test_scores_become_the_index_of_the_largest():
    assert summarize({"y": np.array([[0.1, 0.9, 0.3]])}) == (1, True)
    assert summarize({"y": np.array([[0.1, 0.9], [0.8, 0.2]])}) == ([1, 0], True)
    assert summarize({"y": np.array([[2.5]])}) == (2.5, True)
    assert summarize({"y": np.array(["a"], dtype=object)}) == ("a", True)
    assert summarize({"y": np.array([[np.nan, 1.0]])})[1] is False


def test_floats_of_every_width_are_judged_alike():
    for dtype in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64):
        assert summarize({"y": np.array([[0.5, 2.0, 1.0]], dtype)}) == (1, True)
        assert summarize({"y": np.array([[0.5, np.inf]], dtype)})[1] is False
    assert summarize({"y": np.array([[3, 9]], np.int64)}) == ([3, 9], True)


def test_a_large_answer_is_kept_in_part_and_a_page_is_plain_json():
    answer, finite = summarize({"y": np.zeros((100, 3, 5), ml_dtypes.bfloat16)})
    assert (len(answer), finite) == (64, True)
    log = Observations(3)
    for number, y in enumerate((np.array([2**64 - 1], np.uint64), np.array([[1.5]], ml_dtypes.bfloat16))):
        log.record(str(number), "u", Answered(version="1", answer=summarize({"y": y})[0]), None)
    page = orjson.loads(orjson.dumps(log.page(0, 9)))
    assert [o["served"]["answer"] for o in page["observations"]] == [2**64 - 1, 1.5]
    assert set(page) == {"epoch", "last_seq", "dropped", "observations"}


def test_a_label_is_taken_once_whether_before_or_after_its_prediction():
    log = Observations(9)
    assert [log.label("a", 1), log.label("a", 2)] == ["waiting", "duplicate"]
    log.record("a", "", ONE, None)
    assert log.label("a", 3) == "duplicate"
    log.record("b", "", ONE, ONE)
    assert [log.label("b", 0), log.label("b", 0)] == ["joined", "duplicate"]
    told = [(o["id"], o["label"], o["late_label"]) for o in log.page(0, 9)["observations"]]
    assert told == [("a", 1, False), ("b", None, False), ("b", 0, True)]
