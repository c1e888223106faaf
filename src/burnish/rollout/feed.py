"""The stream of observations, read so that each request is seen once, across restarts of either side."""

from collections.abc import Mapping
from typing import Any

from burnish.errors import ArtifactError
from burnish.rollout.history import RolloutState
from burnish.rollout.intake import Intake
from burnish.rollout.ports import Server
from burnish.rollout.records import Answer, Record

_PAGE = 1000


class Feed:
    """Reads a server's observations from where the stored rollout stands.

    A server numbers its observations from 1 in each of its lives; ``epoch`` tells the lives apart. A request
    is observed when it is finished, and once more, under a new number, when its label arrives later.

    Args:
        server: Where to read.
        state: The rollout, with the epoch and the number read last.

    Attributes:
        dropped: Mirrored requests that the server did not run for lack of room.
        missed: Observations that the server forgot before they were read.
    """

    def __init__(self, server: Server, state: RolloutState) -> None:
        self._server = server
        self._model = state.model
        self.epoch = state.epoch
        self.cursor = state.cursor
        self.dropped = 0
        self.missed = 0
        self._versions = (state.primary, state.candidate)
        self._saved = (state.epoch, state.cursor)

    def read(self, intake: Intake) -> bool:
        """Give everything new to ``intake`` and tell whether the server has been restarted since."""
        before = self.epoch
        while True:
            page = self._server.observations(self._model, after=self.cursor, limit=_PAGE)
            if page["epoch"] != self.epoch:
                self.epoch = page["epoch"]
                if self.cursor:
                    self.cursor = 0
                    continue
            self.dropped = page["dropped"]
            if page["observations"]:
                self.missed += page["observations"][0]["seq"] - self.cursor - 1
            for raw in page["observations"]:
                self._take(raw, intake)
            self.cursor = max(self.cursor, page["last_seq"])
            if len(page["observations"]) < _PAGE:
                return before not in ("", self.epoch)

    def skip(self) -> None:
        """Pass over everything that was observed before the rollout began."""
        while True:
            page = self._server.observations(self._model, after=self.cursor, limit=_PAGE)
            self.epoch, self.cursor = page["epoch"], page["last_seq"]
            if len(page["observations"]) < _PAGE:
                return

    @property
    def has_moved(self) -> bool:
        """Whether there is something that has not been stored."""
        return (self.epoch, self.cursor) != self._saved

    def saved(self) -> None:
        """Note that epoch and cursor are stored."""
        self._saved = (self.epoch, self.cursor)

    def _take(self, raw: Mapping[str, Any], intake: Intake) -> None:
        record = parse(raw, *self._versions)
        if record is None:
            return
        if raw["late_label"]:
            intake.count(record)
        else:
            intake.observe(record)


def parse(raw: Mapping[str, Any], primary: str, candidate: str) -> Record | None:
    """Turn one observation into a record; None when other versions were at work.

    Raises:
        ArtifactError: The server speaks another dialect.
    """
    try:
        answers = {answer["version"]: _answer(answer) for answer in (raw["served"], raw["shadow"]) if answer}
        served = raw["served"]["version"]
        if served not in (primary, candidate):
            return None
        return Record(
            seq=raw["seq"],
            id=raw["id"],
            user=raw["user"] or "",
            served_by="canary" if served == candidate else "primary",
            primary=answers.get(primary),
            candidate=answers.get(candidate),
            label=raw["label"],
        )
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            f"observation cannot be read: {error!r}", hint="server and controller need the same burnish"
        ) from error


def _answer(raw: Mapping[str, Any]) -> Answer:
    return Answer(
        value=raw["answer"],
        latency_ms=raw["latency_ms"],
        failed=bool(raw["error"]),
        finite=raw["finite"],
    )
