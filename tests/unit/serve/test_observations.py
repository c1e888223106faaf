"""What a request came to, and the label that belongs to it."""

import numpy as np

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
