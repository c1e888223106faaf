"""What counts as evidence: first pairs only, time-outs as wrong, silence as nothing."""

import numpy as np
import pytest

from burnish.errors import ConfigError
from burnish.rollout.criterion import PairEvidence, spent_alpha
from burnish.rollout.plan import GuardLimits, RolloutPlan, load_plan
from burnish.rollout.records import Answer, Record
from burnish.rollout.verdict import Finding, Verdict, combine

RNG = np.random.default_rng(21)


def evidence(**plan):
    settings = RolloutPlan(**plan)
    return PairEvidence(settings, alpha=spent_alpha(settings.alpha, 1))


def verdicts(pairs):
    return {finding.name: finding.verdict for finding in pairs.findings()}


def record(primary=3, candidate=3, label=3, served_by="primary", **failed):
    return Record(
        seq=1,
        id="a",
        served_by=served_by,
        primary=Answer(value=primary, failed=failed.get("primary_failed", False)),
        candidate=Answer(value=candidate, failed=failed.get("candidate_failed", False)),
        label=label,
    )


def test_outcomes_of_pairs():
    assert record().outcome == 0
    assert record(primary=1).outcome == 1
    assert record(candidate=1).outcome == -1
    assert record(primary=1, candidate=1).outcome == 0


def test_a_shadow_that_failed_is_wrong_but_a_mirrored_primary_that_failed_is_no_pair():
    assert record(candidate_failed=True).outcome == -1
    assert record(served_by="canary", primary_failed=True).outcome is None
    assert record(primary_failed=True).outcome == 1


def test_nan_is_never_right():
    assert not Answer(value=3, finite=False).is_right(3)


def test_no_label_or_no_mirror_is_no_pair():
    assert record(label=None).outcome is None
    assert Record(seq=1, id="a", primary=Answer(value=1), label=1).outcome is None


@pytest.mark.parametrize("criterion", ["superior", "noninferior"])
def test_no_data_is_inconclusive_never_a_pass(criterion):
    assert set(verdicts(evidence(criterion=criterion)).values()) == {Verdict.INCONCLUSIVE}
    assert combine([]) is Verdict.INCONCLUSIVE


def test_one_alarm_outweighs_everything_and_one_silence_holds_back():
    def finding(verdict):
        return Finding(name="x", verdict=verdict, detail="")

    good, bad, quiet = map(finding, (Verdict.PROMOTE, Verdict.ABORT, Verdict.INCONCLUSIVE))
    assert combine([good, good]) is Verdict.PROMOTE
    assert combine([good, quiet]) is Verdict.INCONCLUSIVE
    assert combine([good, quiet, bad]) is Verdict.ABORT


def test_a_better_candidate_is_superior():
    pairs = evidence(min_pairs=20)
    for i in range(40):
        pairs.add(f"u{i}", 1 if i % 5 else -1)
    assert verdicts(pairs) == {"superior": Verdict.PROMOTE, "harm": Verdict.PROMOTE}


def test_a_verdict_waits_for_the_least_number_of_pairs():
    pairs = evidence(min_pairs=50)
    for i in range(49):
        pairs.add(f"u{i}", 1)
    assert verdicts(pairs)["superior"] is Verdict.INCONCLUSIVE
    pairs.add("u49", 1)
    assert verdicts(pairs)["superior"] is Verdict.PROMOTE


def test_an_equal_candidate_is_not_inferior_by_two_points_and_not_superior():
    outcomes = [0] * 700
    outcomes[100], outcomes[300], outcomes[200], outcomes[400] = 1, 1, -1, -1
    for criterion, expected in (("noninferior", Verdict.PROMOTE), ("superior", Verdict.INCONCLUSIVE)):
        pairs = evidence(criterion=criterion, margin=2.0)
        for i, outcome in enumerate(outcomes):
            pairs.add(f"u{i}", outcome)
        assert verdicts(pairs) == {criterion: expected, "harm": Verdict.PROMOTE}


@pytest.mark.parametrize("criterion", ["superior", "noninferior"])
def test_a_broken_candidate_is_harmful_within_a_few_dozen_pairs_even_after_many_good_ones(criterion):
    pairs = evidence(criterion=criterion, margin=1.0)
    for i in range(3_150):
        pairs.add(f"u{i}", 0)
    needed = 0
    while verdicts(pairs)["harm"] is not Verdict.ABORT:
        pairs.add(f"u{needed}", -1 if needed % 10 else 0)  # users that are known already
        needed += 1
    assert needed <= 60


def test_a_candidate_that_loses_less_than_the_margin_is_no_harm():
    pairs = evidence(criterion="noninferior", margin=3.0)
    for outcome in RNG.choice([-1, 0, 1], 4_000, p=[0.02, 0.97, 0.01]):
        pairs.add("", int(outcome))
    assert verdicts(pairs)["harm"] is Verdict.PROMOTE


def test_a_user_speaks_once():
    superior, noninferior = evidence(), evidence(criterion="noninferior")
    for pairs in (superior, noninferior):
        for _ in range(50):
            pairs.add("alice", 0)
            pairs.add("alice", 1)
    assert (superior.discordant.n, noninferior.first.n) == (1, 1)
    assert noninferior.first.ties == 1
    assert superior.pairs.n == 100


def test_replaying_the_journal_gives_the_same_evidence():
    journal = [(f"u{RNG.integers(300)}", int(d)) for d in RNG.choice([-1, 0, 1], 500)]
    first, second = evidence(criterion="noninferior"), evidence(criterion="noninferior")
    for user, outcome in journal:
        first.add(user, outcome)
    second.replay(journal)
    assert first.findings() == second.findings()


def test_the_interval_is_in_points():
    pairs = evidence()
    for _ in range(1_000):
        pairs.add("", 0)
    low, high = pairs.interval()
    assert -3 < low < 0 < high < 3


def test_alpha_is_spent_over_candidates():
    assert sum(spent_alpha(0.01, k) for k in range(1, 10_000)) == pytest.approx(0.01, rel=1e-3)
    assert sum(spent_alpha(0.01, k) for k in range(1, 10_000)) < 0.01


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"steps": (10, 50)}, "last step"),
        ({"steps": (50, 10, 100)}, "must rise"),
        ({"steps": ()}, "must rise"),
        ({"alpha": 0.0}, "alpha"),
        ({"margin": 0.0}, "margin"),
        ({"shadow_share": 0.0}, "shadow_share"),
        ({"min_pairs": 0}, "min_pairs"),
        ({"poll_ms": 9_000.0}, "poll_ms"),
        ({"max_pairs": -1}, "max_pairs"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(settings, word):
    with pytest.raises(ConfigError, match=word):
        RolloutPlan(**settings)


def test_a_rollout_file_with_an_unknown_key_names_the_nearest(tmp_path):
    file = tmp_path / "rollout.toml"
    file.write_text("[guards]\nerorr_rate = 0.1\n")
    with pytest.raises(ConfigError, match="error_rate"):
        load_plan(file)


def test_flags_win_over_the_file(tmp_path):
    file = tmp_path / "rollout.toml"
    file.write_text(
        'criterion = "noninferior"\nmargin = 2.0\nsteps = [50, 100]\n[guards]\nerror_rate = 0.1\n'
    )
    plan = load_plan(file, margin=3.0, alpha=None)
    assert (plan.criterion, plan.margin, plan.steps, plan.guards) == (
        "noninferior",
        3.0,
        (50, 100),
        GuardLimits(error_rate=0.1),
    )
