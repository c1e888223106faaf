"""The models and versions that a server holds: loading, replacing workers, unloading."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from burnish.errors import BackendError, BurnishError, CapacityError, ConflictError, NotFoundError, nearest
from burnish.graph.signature import Array, Signature
from burnish.logs import get_logger
from burnish.serve.batcher import NO_BATCH, Batcher, BatchLimits, Done, Pending
from burnish.serve.config import ServeConfig
from burnish.serve.instance import Instance
from burnish.serve.metrics import Metrics
from burnish.serve.observations import Observations
from burnish.serve.worker import Settings

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a loaded version."""

    path: str
    digest: str
    backend: str
    device: str
    signature: Signature


class Version:
    """One version: its workers and its queue. Made by `Models.load`, never half ready."""

    def __init__(self, name: str, version: str, path: Path, config: ServeConfig, metrics: Metrics) -> None:
        self.name = name
        self.version = version
        self._config = config
        self.metrics = metrics.version(name, version)
        self._instances: list[Instance] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = self._closed = False
        self._settings = Settings(
            str(path), config.threads, config.memory, config.max_batch_size, config.lock_policy
        )
        limits = BatchLimits(
            max_batch_size=config.max_batch_size,
            max_queue_delay_us=config.max_queue_delay_us,
            queue_size=config.queue_size,
            mirror_queue=config.mirror_queue,
        )
        self.batcher = Batcher(limits, self._instances, self.metrics)
        self.metrics.waiting.set_function(self.batcher.__len__)
        self.facts: Facts

    async def start(self) -> None:
        """Start the workers and wait until all are loaded, warm and checked."""
        starting = [self._new_instance() for _ in range(self._config.instances)]
        try:
            for instance in starting:
                await instance.start(self._config.load_timeout_s)
                self._instances.append(instance)
            if len(self._instances) < len(starting):
                raise BackendError(f"{self._settings.path}: a worker died while others were being loaded")
        except BaseException:
            self._closed = True
            for instance in starting:
                instance.stop()
            raise
        first = starting[0]
        signature = first.signature
        self.facts = Facts(self._settings.path, first.digest, first.backend, first.device, signature)
        symbol = signature.batch_symbol
        elsewhere = {dim for spec in (*signature.inputs, *signature.outputs) for dim in spec.shape[1:]}
        self._batchable = bool(self.facts.signature.inputs) and symbol is not None and symbol not in elsewhere
        self._started = True

    @property
    def ready(self) -> bool:
        """Whether a worker can take requests."""
        return self._started and not self._closed and bool(self._instances)

    @property
    def workers(self) -> list[int]:
        """Process ids of the workers."""
        return [instance.pid for instance in self._instances]

    def submit(
        self, inputs: Mapping[str, Array], done: Done, *, timeout_s: float, mirrored: bool = False
    ) -> Pending:
        """Check a request's inputs and queue it.

        Args:
            inputs: Arrays by name.
            done: Called once with the outputs or the error.
            timeout_s: Until when the answer must be there.
            mirrored: Whether nobody waits for the answer.

        Raises:
            ShapeError: The inputs do not fit the signature.
            QueueFullError: Too many requests wait.
            NotFoundError: The version is being unloaded.
        """
        if self._closed:
            raise NotFoundError(f"{self.name} version {self.version} is being unloaded")
        self.facts.signature.check(inputs)
        rows, key = 1, NO_BATCH
        if self._batchable:
            rows = len(next(iter(inputs.values())))
            key = tuple(inputs[name].shape[1:] for name in self.facts.signature.input_names)
        limit = min(timeout_s, self._config.request_timeout_s)
        pending = Pending(inputs, done, time.monotonic() + limit, rows, key, mirrored)
        self.batcher.submit(pending)  # without a worker it waits for the one that is being started
        return pending

    async def retire(self, patience_s: float) -> None:
        """Answer what waits and runs, but not for ever, and then close."""
        give_up = time.monotonic() + patience_s
        try:
            while self.batcher.busy and time.monotonic() < give_up:
                await asyncio.sleep(0.005)
        finally:
            self.close()

    def close(self) -> None:
        """End the workers; what waits or runs is answered with an error."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        self.batcher.fail_all(
            CapacityError(f"{self.name} version {self.version} is being unloaded", hint="send it again")
        )
        for instance in self._instances:
            instance.stop()
        self._instances.clear()

    def replace_hung(self, older_than_s: float) -> None:
        """Kill workers whose batch takes longer than any request may; their death brings a new one."""
        for instance in self._instances:
            if instance.busy_for_s() > older_than_s:
                log.warning(
                    "worker hangs, killing it", model=self.name, version=self.version, pid=instance.pid
                )
                instance.kill()

    def _new_instance(self) -> Instance:
        return Instance(self._settings, self._on_death)

    def _on_death(self, dead: Instance) -> None:
        if dead not in self._instances:
            return  # it died while it was starting: whoever started it sees that
        self._instances.remove(dead)
        if self._started and not self._closed:
            self.metrics.restarts.inc()
            task = asyncio.get_running_loop().create_task(self._restore())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _restore(self) -> None:
        """Start another worker in place of a dead one, with growing pauses while that fails."""
        pause_s = 0.05
        while not self._closed:
            instance = self._new_instance()
            try:
                await instance.start(self._config.load_timeout_s)
            except BurnishError as error:
                log.error(
                    "worker cannot be replaced", model=self.name, version=self.version, reason=str(error)
                )
                instance.stop()
                await asyncio.sleep(pause_s)
                pause_s = min(5.0, 2 * pause_s)
                continue
            except asyncio.CancelledError:
                instance.stop()
                raise
            self._instances.append(instance)
            self.batcher.dispatch()
            return


class Models:
    """All versions of all models. Every change happens on the event loop; lookups take no lock."""

    def __init__(self, config: ServeConfig, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        self._models: dict[str, dict[str, Version]] = {}
        self._loading: set[tuple[str, str]] = set()
        self._observations: dict[str, Observations] = {}

    async def load(self, name: str, version: str, path: Path) -> Version:
        """Load a version beside those that serve; it can be routed to when this returns.

        Raises:
            ConflictError: Another bundle is loaded under this version, or it is being loaded.
            BurnishError: The model cannot be loaded; what serves goes on serving.
        """
        known = self._models.get(name, {}).get(version)
        if known is not None:
            if known.facts.path == str(path):
                return known
            raise ConflictError(
                f"{name} version {version} is loaded from {known.facts.path}", hint="unload it first"
            )
        if (name, version) in self._loading:
            raise ConflictError(f"{name} version {version} is being loaded", hint="wait for it")
        self._loading.add((name, version))
        try:
            loaded = Version(name, version, path, self._config, self._metrics)
            await loaded.start()
        finally:
            self._loading.discard((name, version))
        self._models.setdefault(name, {})[version] = loaded
        self._observations.setdefault(name, Observations(self._config.observations))
        log.info("loaded", model=name, version=version, backend=loaded.facts.backend)
        return loaded

    async def unload(self, name: str, version: str) -> None:
        """Unload a version and give back its memory, once what it has taken is answered.

        No request reaches it from the moment of this call.

        Raises:
            NotFoundError: It is not loaded.
        """
        gone = self._remove(name, version)
        await gone.retire(self._config.drain_s)

    def _remove(self, name: str, version: str) -> Version:
        gone = self.get(name, version)
        del self._models[name][version]
        if not self._models[name]:
            del self._models[name], self._observations[name]
        log.info("unloading", model=name, version=version)
        return gone

    def get(self, name: str, version: str) -> Version:
        """Return a loaded version.

        Raises:
            NotFoundError: It is not loaded; the hint names the nearest.
        """
        versions = self.versions(name)
        if version not in versions:
            raise NotFoundError(f"{name} has no version {version!r} here", hint=nearest(version, versions))
        return versions[version]

    def versions(self, name: str) -> dict[str, Version]:
        """Return the loaded versions of a model.

        Raises:
            NotFoundError: The model is not loaded.
        """
        if name not in self._models:
            raise NotFoundError(f"no model {name!r} is loaded", hint=nearest(name, self._models))
        return self._models[name]

    def has_several(self, name: str) -> bool:
        """Whether versions of a model can be compared, so that it is worth observing them."""
        return len(self._models.get(name, ())) > 1

    def names(self) -> list[str]:
        """Return the names of the loaded models."""
        return list(self._models)

    def observations(self, name: str) -> Observations:
        """Return what was observed of a model.

        Raises:
            NotFoundError: The model is not loaded.
        """
        self.versions(name)
        return self._observations[name]

    @property
    def ready(self) -> bool:
        """Whether every loaded version can take requests."""
        return all(version.ready for versions in self._models.values() for version in versions.values())

    async def watch(self) -> None:
        """Replace workers that hang, for as long as the server lives."""
        limit = self._config.request_timeout_s
        while True:
            await asyncio.sleep(min(1.0, limit / 4))
            for versions in list(self._models.values()):
                for version in list(versions.values()):
                    version.replace_hung(limit)

    def close(self) -> None:
        """Unload everything at once."""
        for name, versions in list(self._models.items()):
            for version in list(versions):
                self._remove(name, version).close()
