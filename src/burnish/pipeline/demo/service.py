"""A real server in a process of its own, and real clients that load it."""

import contextlib
import ctypes
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from burnish.client import Client
from burnish.errors import BackendError, BurnishError
from burnish.evaluate.task import Split
from burnish.plugins import require

_START_S = 90.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs: its addresses and its process."""

    http: str
    admin: str
    pid: int


@contextlib.contextmanager
def serving(arguments: Sequence[str], work: Path) -> Iterator[Serving]:
    """Run ``burnish serve`` while the block runs; it ends with the block, and with this process.

    Args:
        arguments: Of ``burnish serve``, without ports.
        work: Where its log goes, to ``server.log``.

    Raises:
        BackendError: The server does not become ready; the text holds the end of its log.
    """
    work.mkdir(parents=True, exist_ok=True)
    ready, log = work / "ready.json", work / "server.log"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "burnish", "serve", *arguments, "--port", "0", "--admin-port", "0"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready)],
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C reaches us alone, and we end the server in order
            preexec_fn=_die_with_parent,
        )
    try:
        deadline = time.monotonic() + _START_S
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                end = log.read_text(errors="replace")[-800:]
                raise BackendError(f"the server did not start: {end}", hint=f"see {log}")
            time.sleep(0.05)
        yield Serving(**json.loads(ready.read_text()), pid=process.pid)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _die_with_parent() -> None:
    """Have the kernel end this process when its parent dies, however that happens."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class LoadResult:
    """What a load test came to."""

    requests: int
    seconds: float
    latencies_ms: list[float]
    right: int

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def drive(url: str, model: str, split: Split, *, clients: int, requests: int, binary: bool) -> LoadResult:
    """Load a server with the unmodified ``tritonclient``, one connection and thread a client.

    Args:
        url: The server's inference address.
        model: Name of the model.
        split: Examples to ask for, in turn; the first output holds scores over classes.
        clients: How many ask at once.
        requests: How many requests in all.
        binary: Whether tensors travel as binary or as JSON.

    Raises:
        MissingExtraError: tritonclient is not installed.
    """
    triton: Any = require("tritonclient.http", extra="demo", need="the load test")
    address = url.removeprefix("http://")
    (name, images), *_ = split.inputs.items()
    results: list[tuple[float, bool]] = []
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            client = triton.InferenceServerClient(address)
            for index in range(number, requests, clients):
                row = index % len(split)
                tensor = triton.InferInput(name, images[row : row + 1].shape, "FP32")
                tensor.set_data_from_numpy(images[row : row + 1], binary_data=binary)
                wanted = [triton.InferRequestedOutput(_first_output(client, model), binary_data=binary)]
                begun = time.perf_counter()
                answer = client.infer(model, [tensor], outputs=wanted)
                took_ms = (time.perf_counter() - begun) * 1e3
                guess = answer.as_numpy(wanted[0].name()).argmax()
                results.append((took_ms, bool(guess == split.labels[row])))
            client.close()
        except BaseException as error:  # handed to the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    seconds = time.perf_counter() - begun
    return LoadResult(len(results), seconds, [ms for ms, _ in results], sum(right for _, right in results))


_outputs: dict[str, str] = {}


def _first_output(client: Any, model: str) -> str:
    if model not in _outputs:
        _outputs[model] = client.get_model_metadata(model)["outputs"][0]["name"]
    return _outputs[model]


@dataclass(slots=True)
class Traffic:
    """Labelled traffic that runs until it is told to stop: ask, then tell the right answer.

    Examples are drawn at random with replacement, so that requests are independent draws from the split.
    """

    url: str
    model: str
    split: Split
    clients: int
    answers: list[tuple[float, str, float]] = field(default_factory=list)
    """When (monotonic clock), which version, how many milliseconds."""
    failures: list[tuple[float, str]] = field(default_factory=list)
    """When, and the error's code."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Traffic":
        self._threads = [
            threading.Thread(target=self._work, args=(i,), daemon=True) for i in range(self.clients)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        rng = np.random.default_rng(number)
        with Client(self.url, timeout_s=30.0) as client:
            while not self._stop.is_set():
                row = int(rng.integers(len(self.split)))
                inputs = {name: array[row : row + 1] for name, array in self.split.inputs.items()}
                begun = time.monotonic()
                try:
                    answer = client.infer(self.model, inputs)
                    self.answers.append((begun, answer.version, (time.monotonic() - begun) * 1e3))
                    client.feedback(self.model, answer.id, int(self.split.labels[row]))
                except BurnishError as error:
                    self.failures.append((begun, error.code))
