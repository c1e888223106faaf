"""The demo from end to end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from burnish.compress import CompressResult, Progress
from burnish.compress.reporter import Reporter
from burnish.evaluate.report import save
from burnish.evaluate.task import Task, load_task
from burnish.files import sha256_bytes
from burnish.pipeline.demo import model as stage
from burnish.pipeline.demo.config import DemoConfig
from burnish.pipeline.demo.release import Track, roll_out
from burnish.pipeline.demo.report import Story, build_report
from burnish.pipeline.demo.service import LoadResult, Traffic, drive, serving
from burnish.registry import Registry
from burnish.resume import Run

Notify = Callable[[str], None]

STEPS = ("train", "capture", "compress", "release", "load test", "rollout", "fault and rollback", "report")


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo leaves."""

    report: Path
    registry: Path
    chosen: str
    test_difference_points: tuple[float, float, float]
    """Chosen model's test score minus the float model's: value, low, high."""
    speedup: float
    size_ratio: float
    alarm_to_zero_ms: float
    seconds: dict[str, float]
    """Time of each step; steps taken from an earlier run are short."""


@dataclass(slots=True)
class _Clock:
    """Tells which step runs, and keeps their times."""

    on_step: Callable[[int, str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.on_step(STEPS.index(name), name)
        begun = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begun, 2)


def run_demo(
    out: Path,
    config: DemoConfig | None = None,
    *,
    notify: Notify | None = None,
    on_step: Callable[[int, str], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> DemoResult:
    """Train, capture, compress, register, serve, roll out, break, roll back, report.

    What was finished before an interruption is not done again; the service half, which is about live
    behaviour, always runs.

    Args:
        out: Folder of the run. It holds the report, the registry and the work of each step.
        config: Settings; None for the defaults.
        notify: Told what happens, in a line.
        on_step: Told the number and the name of each step that begins.
        on_progress: Told how far the stages inside a step are.

    Raises:
        BurnishError: A step failed; run again to go on from there.
    """
    config = config or DemoConfig()
    notify = notify or (lambda _: None)
    clock = _Clock(on_step or (lambda _index, _name: None))
    reporter = Reporter(notify, on_progress)
    task = load_task(config.task)
    work = out / "work"
    story = Story(task=task.name, config=config)
    result = _first_half(config, task, work, story, clock, reporter)
    _second_half(config, task, work, story, clock, notify)
    path = out / "report.html"
    with clock.step("report"):
        story.seconds = dict(clock.seconds)
        save(build_report(story), path)
    chosen = result.chosen
    difference = chosen.test_difference.scaled(100)
    return DemoResult(
        report=path,
        registry=story.registry,
        chosen=f"{chosen.candidate} on {chosen.backend}",
        test_difference_points=(difference.value, difference.low, difference.high),
        speedup=chosen.speedup.value,
        size_ratio=stage.base_option(result).size_bytes / chosen.size_bytes,
        alarm_to_zero_ms=story.rollbacks["final"]["alarm_to_zero_ms"],
        seconds=clock.seconds,
    )


def _first_half(
    config: DemoConfig, task: Task, work: Path, story: Story, clock: _Clock, reporter: Reporter
) -> CompressResult:
    with clock.step("train"):
        model = stage.train_step(config, task, work / "train", reporter)
    weights = sha256_bytes((work / "train" / "train" / "weights.pt").read_bytes())
    run = Run(work / "release", {"config": stage.plain(asdict(config)), "weights": weights})
    with clock.step("capture"):
        story.capture = stage.capture_step(run, model, task)
    with clock.step("compress"):
        story.compressed = stage.compress_step(config, model, task, work / "compress", reporter)
    with clock.step("release"):
        story.registry = run.root / "registry"
        story.release = stage.release_step(run, task, story.compressed, story.registry, config)
    return story.compressed


def _second_half(
    config: DemoConfig, task: Task, work: Path, story: Story, clock: _Clock, notify: Notify
) -> None:
    registry = Registry(story.registry)
    registry.set_alias(task.name, stage.PRIMARY, 1, actor="demo")
    test = task.split("test")
    arguments = [f"{task.name}@{stage.PRIMARY}", "--registry", str(story.registry)]
    arguments += ["--request-timeout-s", str(config.request_timeout_s)]
    with serving(arguments, work / "server") as server:
        with clock.step("load test"):
            for binary in (True, False):
                load = drive(
                    server.http,
                    task.name,
                    test,
                    clients=config.clients,
                    requests=config.load_requests,
                    binary=binary,
                )
                story.loads["binary tensors" if binary else "JSON"] = load
                notify(_load_line(load, "binary tensors" if binary else "JSON"))
        with Traffic(server.http, task.name, test, config.clients) as traffic:
            common: dict[str, Any] = {
                "model": task.name, "registry": registry, "server": server, "traffic": traffic, "notify": notify
            }  # fmt: skip
            with clock.step("rollout"):
                track = roll_out(config, candidate=2, break_it=False, **common)
                story.promotion = _facts(track, traffic)
            with clock.step("fault and rollback"):
                track = roll_out(config, candidate=3, break_it=True, **common)
                story.rollbacks = _facts(track, traffic)
    registry.engine.dispose()


def _load_line(load: LoadResult, form: str) -> str:
    return (
        f"{load.requests} requests as {form} by tritonclient: {load.per_second:.0f} a second, "
        f"{load.right / load.requests:.2%} right"
    )


def _facts(track: Track, traffic: Traffic) -> dict[str, Any]:
    """Gather what a rollout showed, with the answers that came while it ran."""
    answers = [
        (at - track.began, version, ms) for at, version, ms in list(traffic.answers) if at >= track.began
    ]
    return {
        "weights": track.weights,
        "evidence": track.evidence,
        "events": track.events,
        "final": track.final,
        "answers": answers,
    }
