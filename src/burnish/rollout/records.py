"""What the controller knows about one request that a server handled."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal[-1, 0, 1]
"""Candidate right minus primary right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How one version answered."""

    value: object = None
    """The answer as the server recorded it, such as the index of the largest logit; None after a failure."""
    latency_ms: float = 0.0
    failed: bool = False
    """It answered with an error, or not in time."""
    finite: bool = True
    """No output was NaN or infinite."""

    def is_right(self, label: object) -> bool:
        """Tell whether the answer equals the label; a failure never does."""
        return not self.failed and self.finite and self.value == label


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request: who served it, what either version said, and the label when it is known."""

    seq: int
    id: str
    user: str = ""
    """Empty when the request carried no sticky key: then it counts as a user of its own."""
    served_by: Literal["primary", "canary"] = "primary"
    primary: Answer | None = None
    candidate: Answer | None = None
    label: object = None

    @property
    def outcome(self) -> Outcome | None:
        """Candidate right minus primary right, or None when the request is no labelled pair.

        A mirrored candidate that failed or timed out is wrong. A mirrored *primary* that failed is no pair:
        counting it wrong would speak for the candidate whenever the mirror is overloaded.
        """
        if self.label is None or self.primary is None or self.candidate is None:
            return None
        if self.served_by == "canary" and self.primary.failed:
            return None
        difference = self.candidate.is_right(self.label) - self.primary.is_right(self.label)
        return 1 if difference > 0 else -1 if difference < 0 else 0
