"""What every test of this package is: a process of evidence that may be looked at after each observation."""

import math
from dataclasses import dataclass


@dataclass(slots=True)
class EProcess:
    """Evidence against a null hypothesis, as an e-process.

    While the null holds, the expectation of ``e`` at any stopping time is at most 1, so by Ville's inequality
    the chance that it *ever* reaches ``1 / alpha`` is at most ``alpha``. Looking after every request and
    stopping early are therefore allowed, and ``p`` is a p-value that is valid at any time.

    References:
        Ramdas, Gruenwald, Vovk and Shafer 2023, "Game-theoretic statistics and safe anytime-valid inference",
        Statistical Science 38(4).
    """

    log_e: float = 0.0
    """Natural logarithm of the evidence now."""
    max_log_e: float = 0.0
    """The largest that ``log_e`` has been; the start counts, so it is never negative."""

    @property
    def e(self) -> float:
        """The evidence now; infinite where it exceeds what a float can hold."""
        return math.exp(self.log_e) if self.log_e < 700 else math.inf

    @property
    def p(self) -> float:
        """The anytime p-value: one over the largest evidence so far."""
        return math.exp(-self.max_log_e)

    def rejects(self, alpha: float) -> bool:
        """Tell whether the null has been rejected at level ``alpha`` at any look so far."""
        return self.max_log_e >= -math.log(alpha)

    def _advance(self, log_e: float) -> float:
        self.log_e = log_e
        self.max_log_e = max(self.max_log_e, log_e)
        return self.e
