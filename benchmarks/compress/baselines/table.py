"""The one table: every file of every tool on every engine, with burnish's answer to it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scoring import FLOAT, Broken, Measured
from verdicts import Verdict, judge

from burnish.evaluate.latency import ratio
from burnish.pareto import pareto_front
from burnish.runtime.machine import fingerprint


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was measured, of burnish and of the others."""

    measured: Sequence[Measured]
    broken: Sequence[Broken]
    us: str
    """Name under which burnish's files stand."""
    batch: int

    @property
    def ours(self) -> list[Measured]:
        """Burnish's files, the float model among them: to leave a network alone is an answer, too."""
        return [m for m in self.measured if m.entry.tool in (self.us, FLOAT)]

    @property
    def theirs(self) -> list[Measured]:
        """The other tools' files."""
        return [m for m in self.measured if m.entry.tool not in (self.us, FLOAT)]

    @property
    def front(self) -> list[Measured]:
        """What no other file beats in latency, size and test score at once, whoever made it."""
        return pareto_front(self.measured, lambda m: (m.latency.median_ms, m.size_bytes, -m.test.value))

    def verdict(self, theirs: Measured, *, same_engine: bool = False) -> Verdict:
        """Return burnish's best answer to one file, from all engines or from the same one."""
        return judge(theirs, [m for m in self.ours if not same_engine or m.engine == theirs.engine])

    def share(self, *, same_engine: bool = False) -> float:
        """Return the percentage of the others' files that burnish dominates or ties."""
        words = [self.verdict(m, same_engine=same_engine).word for m in self.theirs]
        return 100 * sum(word != "behind" for word in words) / len(words) if words else 100.0

    @property
    def reference(self) -> Measured:
        """The float model on the first engine."""
        return next(m for m in self.measured if m.entry.tool == FLOAT)


def as_facts(found: Comparison) -> dict[str, Any]:
    """Return everything as plain data; scores of single examples stay out."""
    front = {m.label for m in found.front}
    rows = []
    for m in found.measured:
        row: dict[str, Any] = {
            "tool": m.entry.tool,
            "name": m.entry.name,
            "how": m.entry.how,
            "epochs": m.entry.epochs,
            "engine": m.engine,
            "test": asdict(m.test),
            "difference": asdict(m.difference),
            "latency_ms": asdict(m.latency.median) | {"samples": m.latency.samples_ms},
            "times_faster": asdict(ratio(found.reference.latency, m.latency)),
            "size_bytes": m.size_bytes,
            "on_front": m.label in front,
        }
        if m in found.theirs:
            for key, same in (("answer", False), ("answer_same_engine", True)):
                verdict = found.verdict(m, same_engine=same)
                row[key] = {"word": verdict.word, "by": verdict.by.label if verdict.by else ""}
        rows.append(row)
    broken = [
        {"tool": b.entry.tool, "name": b.entry.name, "engine": b.engine, "error": b.error}
        for b in found.broken
    ]
    return {"machine": asdict(fingerprint()), "batch": found.batch, "rows": rows, "broken": broken}


def as_markdown(found: Comparison) -> str:
    """Return the table as a page reads it, fastest first, and below it what did not work."""
    front = {m.label for m in found.front}
    lines = [
        f"| tool | file | epochs | engine | test score, % | points to float | ms, batch {found.batch} | times faster "
        "| MB | burnish's answer | on the same engine |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for m in sorted(found.measured, key=lambda m: m.latency.median_ms):
        test, lost = m.test.scaled(100), m.difference.scaled(100)
        faster = ratio(found.reference.latency, m.latency)
        name = f"**{m.entry.name}**" if m.label in front else m.entry.name
        answers = [_answer(found, m, same_engine=same) for same in (False, True)]
        lines.append(
            f"| {m.entry.tool} | {name} | {m.entry.epochs or ''} | {m.engine} "
            f"| {test.value:.2f} [{test.low:.2f}, {test.high:.2f}] "
            f"| {lost.value:+.2f} [{lost.low:+.2f}, {lost.high:+.2f}] | {m.latency.median_ms:.3f} "
            f"| {faster.value:.2f} [{faster.low:.2f}, {faster.high:.2f}] | {m.size_bytes / 1e6:.2f} "
            f"| {answers[0]} | {answers[1]} |"
        )
    lines += ["", "Bold: on the Pareto front of latency, size and score over all tools."]
    lines += [
        f"- {b.entry.tool} {b.entry.name} {f'on {b.engine}' if b.engine else ''}: {_first_line(b.error)}"
        for b in found.broken
    ]
    return "\n".join(lines) + "\n"


def _answer(found: Comparison, m: Measured, *, same_engine: bool) -> str:
    if m not in found.theirs:
        return ""
    verdict = found.verdict(m, same_engine=same_engine)
    return f"{verdict.word} ({verdict.by.entry.name}, {verdict.by.engine})" if verdict.by else verdict.word


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""
