"""How much of the ONNX standard's own node tests each engine passes through burnish's back ends.

``python benchmarks/node_suite.py`` runs every usable test on every engine; each test runs in a process that is
started again after a crash or a time-out. ``--every 4`` takes each fourth test, for engines that compile slowly.
"""

import argparse
import datetime
import json
import sys
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import onnx
from isolated import HangError, ask_all
from node_cases import Verdict, collect, judge, operator, outside
from record import RESULTS, record

from burnish.files import write_atomic
from burnish.runtime import backend_names
from burnish.runtime.machine import installed_version

DETAILS = RESULTS / "details" / "2-node-suite.json"
ENGINES = ("onnxruntime", "openvino", "torch", "tvm", "iree")
TARGET = "at least 30 models of the ONNX node tests counted pass, fail or unsupported"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", default=[n for n in ENGINES if n in backend_names()])
    parser.add_argument("--every", type=int, default=1, help="take each N-th usable test")
    parser.add_argument("--timeout-s", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=DETAILS, help="results of engines already in it are kept")
    arguments = parser.parse_args()

    cases = collect()
    reasons = {case.name: outside(case) for case in cases}
    usable = [case for case in cases if not reasons[case.name]]
    facts = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"engines": {}}
    if facts.get("onnx") != onnx.__version__:
        facts["engines"] = {}
    facts |= {
        "onnx": onnx.__version__,
        "tests": len(cases),
        "outside": dict(Counter(filter(None, reasons.values())).most_common()),
        "usable": {case.name: operator(case) for case in usable},
    }
    for engine in arguments.engines:
        chosen = usable[:: arguments.every]
        verdicts = run(engine, chosen, timeout_s=arguments.timeout_s, workers=arguments.workers)
        facts["engines"][engine] = {
            "version": _version(engine),
            "every": arguments.every,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "tests": {case.name: _brief(verdict) for case, verdict in zip(chosen, verdicts, strict=True)},
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(arguments.out, (json.dumps(facts, indent=1) + "\n").encode())
        counts = Counter(verdict.outcome for verdict in verdicts)
        print(engine, dict(counts), dict(Counter(v.kind for v in verdicts if v.kind)))
        if arguments.out == DETAILS:
            _record(engine, counts, arguments.every)


def run(engine: str, cases: list[Any], *, timeout_s: float, workers: int) -> list[Verdict]:
    """Put the cases to an engine, shared out to several processes."""

    def told(done: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{engine} {done}/{len(cases)}", end="", file=sys.stderr)

    return ask_all(
        partial(_answer, engine=engine),
        cases,
        workers=workers,
        timeout_s=timeout_s,
        on_failure=_failure,
        on_answer=told,
    )


def _answer(case: Any, engine: str) -> Verdict:
    try:
        return judge(case, engine)
    except Exception as error:  # an error that the back end did not turn into one of burnish's
        return Verdict("failed", "foreign error", f"{type(error).__name__}: {error}")


def _failure(failure: Exception) -> Verdict:
    return Verdict("failed", "timeout" if isinstance(failure, HangError) else "crash", str(failure))


def _brief(verdict: Verdict) -> dict[str, str]:
    brief = {key: value for key, value in asdict(verdict).items() if value}
    if "detail" in brief:
        brief["detail"] = " ".join(brief["detail"].split())[:200]
    return brief


def _version(engine: str) -> str:
    package = {"tvm": "apache-tvm", "iree": "iree-base-compiler"}.get(engine, engine)
    return installed_version(package) or "unknown"


def _record(engine: str, counts: Counter[str], every: int) -> None:
    asked = counts.total()
    part = "" if every == 1 else f" (each {every}th of the usable tests)"
    record(
        2,
        f"node suite {engine}",
        value=counts["passed"],
        low=counts["passed"],
        high=counts["passed"],
        target=TARGET,
        unit=f"passed of {asked}{part}; {counts['failed']} failed, {counts['unsupported']} unsupported",
        met=asked >= 30,
        command=f"python benchmarks/node_suite.py --engines {engine} --every {every}",
    )


if __name__ == "__main__":
    main()
