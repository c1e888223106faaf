"""The fixed-sample tests, shown beside the evidence for comparison only.

Each is valid when looked at once, after a number of requests that was fixed in advance. A controller looks
after every request, where they would promote equal versions in one run out of ten: never decide by them.
"""

import math

from scipy import special


def mcnemar_p(wins: int, losses: int) -> float:
    """Return the exact one-sided McNemar p-value that the candidate is better on discordant requests.

    References:
        McNemar 1947, "Note on the sampling error of the difference between correlated proportions".
    """
    return float(special.betainc(wins, losses + 1, 0.5)) if wins else 1.0  # a binomial tail


def margin_p(wins: int, losses: int, ties: int, *, margin: float) -> float:
    """Return the one-sided Wald p-value that the mean paired difference exceeds ``-margin``."""
    n = wins + losses + ties
    if n == 0:
        return 1.0
    difference = (wins - losses) / n
    variance = max(((wins + losses) / n - difference**2) / n, 0.25 / n**2)
    return float(special.ndtr(-(difference + margin) / math.sqrt(variance)))


def two_proportions_p(events_a: int, n_a: int, events_b: int, n_b: int) -> float:
    """Return the one-sided z-test's p-value that the rate of ``b`` exceeds that of ``a``."""
    if n_a == 0 or n_b == 0:
        return 1.0
    pooled = (events_a + events_b) / (n_a + n_b)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
    if spread == 0:
        return 1.0
    return float(special.ndtr(-(events_b / n_b - events_a / n_a) / spread))
