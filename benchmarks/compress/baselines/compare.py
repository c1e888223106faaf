r"""What Torch-Pruning alone, NNCF and Olive make of the same network with the same data and budget, beside burnish's.

    python benchmarks/compress/baselines/environments.py ENVIRONMENTS
    burnish compress TASK --weights WEIGHTS --out WORK
    python benchmarks/compress/baselines/compare.py --task TASK --weights WEIGHTS --out FOLDER \
        --environments ENVIRONMENTS --burnish WORK

lets each tool work in its own environment, then scores and times every file in one process, interleaved, with
burnish's own measurements. What is in FOLDER already is not made again. Nothing else should run on the machine while
the latencies are taken.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(1, str(HERE.parents[1]))  # record.py serves every benchmark

from candidates import FLOAT as FLOAT_FILE  # noqa: E402
from candidates import add_arguments, read_candidates, start  # noqa: E402
from record import RESULTS, record  # noqa: E402
from scoring import FLOAT, Broken, Entry, measure  # noqa: E402
from table import Comparison, as_facts, as_markdown  # noqa: E402

from burnish.evaluate.latency import BenchConfig  # noqa: E402
from burnish.files import write_atomic  # noqa: E402

ISSUE = 4
OURS = "burnish"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument(
        "--environments", type=Path, help="made by environments.py; without it no tool is run"
    )
    parser.add_argument(
        "--burnish", type=Path, nargs="+", default=[], help="folders of burnish compress runs"
    )
    parser.add_argument("--train", help="TrainConfig after each cut of Torch-Pruning, as JSON")
    parser.add_argument("--qat-train", help="TrainConfig of NNCF's QAT, as JSON")
    parser.add_argument("--pruners", nargs="+", default=["magnitude", "group-norm"], help="of Torch-Pruning")
    parser.add_argument("--ratios", nargs="+", default=["0.2", "0.4", "0.5"], help="for Torch-Pruning")
    parser.add_argument("--step", help="for Torch-Pruning")
    parser.add_argument("--transformer", action="store_true", help="tell NNCF")
    parser.add_argument("--engines", nargs="+", default=["onnxruntime", "openvino"])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--name", help="of the record; the task's name without it")
    parser.add_argument("--record", action="store_true", help="keep the result under benchmarks/results")
    arguments = parser.parse_args()
    begun = start(arguments)
    missing = run_tools(arguments) if arguments.environments else []
    made = read_candidates(begun.folder)
    entries = [Entry(FLOAT, FLOAT, begun.folder / FLOAT_FILE, "the float model")]
    entries += [Entry(c.tool, c.name, c.file, c.how, c.epochs) for c in made if c.file is not None]
    entries += [entry for folder in arguments.burnish for entry in ours(folder)]
    measured, broken = measure(
        begun.task,
        entries,
        arguments.engines,
        # the threads of an engine spin for a while after a call, which would slow the next contender
        BenchConfig(rounds=arguments.rounds, pause_s=0.1),
        batch=arguments.batch,
        progress=lambda done, total: print(f"\rround {done}/{total}", end="", file=sys.stderr),
    )
    failed = [Broken(Entry(c.tool, c.name, begun.folder, c.how), "", c.error) for c in made if c.file is None]
    found = Comparison(measured, [*broken, *failed, *missing], OURS, arguments.batch)
    write_atomic(begun.folder / "comparison.json", json.dumps(as_facts(found), indent=2).encode())
    write_atomic(begun.folder / "comparison.md", as_markdown(found).encode())
    print(as_markdown(found))
    if arguments.record:
        keep(found, arguments)


def run_tools(arguments: argparse.Namespace) -> list[Broken]:
    """Let every tool work; return those that have no environment, or whose script fails as a whole."""
    shared = ["--task", arguments.task, "--weights", str(arguments.weights), "--out", str(arguments.out)]
    shared += ["--samples", str(arguments.samples), "--seed", str(arguments.seed)]
    shared += ["--threads", str(arguments.threads)]
    pruning = ["--pruners", *arguments.pruners, "--ratios", *arguments.ratios]
    pruning += ["--train", arguments.train] if arguments.train else []
    pruning += ["--step", arguments.step] if arguments.step else []
    training = ["--train", arguments.qat_train] if arguments.qat_train else []
    training += ["--transformer"] if arguments.transformer else []
    environments = json.loads((arguments.environments / "environments.json").read_bytes())
    broken = []
    for tool, script, options in (
        ("torch-pruning", "torch_pruning_alone.py", pruning),
        ("nncf", "nncf_quantize.py", [*training, "--pruned"]),
        ("olive", "olive_quantize.py", ["--pruned"]),
    ):
        home = arguments.environments / tool / "bin" / "python"
        python = Path(sys.executable) if tool == "torch-pruning" else home
        error = environments.get(tool, {}).get("error") or call(python, script, *shared, *options)
        if error:
            broken.append(Broken(Entry(tool, script, python), "", error))
    return broken


def call(python: Path, script: str, *arguments: str) -> str:
    """Run a tool's script; return what went wrong, or nothing."""
    # tools look for compilers' helpers, such as ninja, beside the interpreter
    path = f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run([python, HERE / script, *arguments], env=os.environ | {"PATH": path})
    return f"ended with status {done.returncode}" if done.returncode else ""


def ours(folder: Path) -> Iterator[Entry]:
    """Yield the compressed files of a run of burnish."""
    facts = json.loads((folder / "result.json").read_bytes())
    files = {option["candidate"]: Path(option["graph"]) for option in facts["options"]}
    files.pop(FLOAT)
    for name, file in files.items():
        yield Entry(OURS, name, file, epochs=epochs_of(name, facts))


def epochs_of(candidate: str, facts: dict[str, Any]) -> int:
    """Return the epochs behind a candidate: of the cuts that lead to it, and of the training after them."""
    accepted = {f"pruned-{cut['ratio'] * 100:g}": cut for cut in facts["cuts"] if cut["accepted"]}
    last = next((cut for name, cut in accepted.items() if _is_made_of(candidate, name)), None)
    cuts = [cut for cut in accepted.values() if last is not None and cut["ratio"] <= last["ratio"]]
    trained = [
        step["facts"]["epochs"]
        for step in facts["steps"]
        if step["step"].startswith("train-") and _is_made_of(candidate, step["step"].removeprefix("train-"))
    ]
    return sum(cut["epochs"] for cut in cuts) + sum(map(len, trained))


def _is_made_of(candidate: str, name: str) -> bool:
    return candidate == name or candidate.startswith(f"{name}-")


def keep(found: Comparison, arguments: argparse.Namespace) -> None:
    name = arguments.name or Path(arguments.task).stem
    command = command_of(arguments)
    facts = {"command": command, "versions": versions(arguments.environments)} | as_facts(found)
    details = RESULTS / "details" / f"{ISSUE}-baselines-{name}.json"
    write_atomic(details, (json.dumps(facts, indent=2) + "\n").encode())
    anywhere, same_engine = found.share(), found.share(same_engine=True)
    record(
        ISSUE,
        f"baselines {name}",
        value=anywhere,
        low=min(anywhere, same_engine),
        high=max(anywhere, same_engine),
        target="each file of another tool dominated or tied by one of burnish's",
        unit="% of the other tools' files; one end: burnish's on the same engine alone",
        met=anywhere == 100,
        command=command,
    )


def command_of(arguments: argparse.Namespace) -> str:
    """Return what measures it again; folders of this machine say nothing and are named in capitals."""
    parts = ["python", "benchmarks/compress/baselines/compare.py", "--task", arguments.task]
    parts += [
        "--weights",
        "WEIGHTS",
        "--out",
        "FOLDER",
        "--environments",
        "ENVIRONMENTS",
        "--burnish",
        "WORK",
    ]
    parts += ["--seed", str(arguments.seed), "--samples", str(arguments.samples)]
    parts += ["--rounds", str(arguments.rounds), "--batch", str(arguments.batch)]
    parts += ["--pruners", *arguments.pruners, "--ratios", *arguments.ratios]
    for option in ("step", "train", "qat_train", "name"):
        value = getattr(arguments, option)
        parts += [f"--{option.replace('_', '-')}", value] if value else []
    return shlex.join(parts + (["--transformer"] if arguments.transformer else []) + ["--record"])


def versions(environments: Path | None) -> dict[str, str]:
    """Return the versions of the tools and of the engines."""
    found = {name: metadata.version(name) for name in ("torch-pruning", "torch", "onnxruntime", "openvino")}
    made = json.loads((environments / "environments.json").read_bytes()) if environments else {}
    for facts in made.values():
        packages = facts.get("packages", {})
        found |= {name: packages[name] for name in ("nncf", "olive-ai") if name in packages}
    return found


if __name__ == "__main__":
    main()
