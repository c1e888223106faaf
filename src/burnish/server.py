"""The composition root of a server: ports, models, router and their life together."""

import asyncio
import contextlib
import errno
import gc
import json
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from burnish.bundle import Bundle
from burnish.errors import ConflictError, InputError, NotFoundError
from burnish.files import write_atomic
from burnish.logs import get_logger
from burnish.registry import Registry
from burnish.registry.records import split_reference
from burnish.rollout.traffic import LiveTraffic, TrafficPolicy
from burnish.serve.admin import Admin
from burnish.serve.config import ServeConfig
from burnish.serve.exchange import Exchange
from burnish.serve.http import HttpProtocol
from burnish.serve.metrics import Metrics
from burnish.serve.routes import Routes
from burnish.serve.versions import Models, Version

log = get_logger(__name__)

_PRIMARY = "primary"


@dataclass(frozen=True, slots=True)
class ModelSource:
    """What to serve: a version of a model, and where it lies."""

    name: str
    version: str
    path: Path


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a server listens."""

    http: str
    admin: str


def resolve_source(what: str, registry: Registry | None) -> ModelSource:
    """Find out what a user wants served.

    Args:
        what: ``NAME``, ``NAME@VERSION`` or ``NAME@ALIAS`` of the registry; or the path of a bundle or of an
            ONNX file. A bare name takes the alias ``primary`` where there is one, else the newest version.
        registry: Where names are looked up; None when there is none.

    Raises:
        NotFoundError: There is no such file, or no such version in the registry.
        ArtifactError: The bundle is damaged.
    """
    path = Path(what)
    if path.suffix == ".onnx" and path.is_file():
        return ModelSource(path.stem, "1", path.resolve())
    if path.exists():
        return ModelSource(Bundle.open(path, verify=False).manifest.name, "1", path.resolve())
    if path.suffix in (".onnx", ".burnish") or "/" in what:
        raise NotFoundError(f"{what}: no such file", hint="check the path")
    if registry is None or not registry.root.exists():
        where = registry.root if registry else "none is given"
        raise NotFoundError(
            f"{what} is no file, and there is no registry ({where})", hint="use --registry DIR"
        )
    name, wanted = split_reference(what)
    if wanted is None and registry.alias(name, _PRIMARY) is not None:
        wanted = _PRIMARY
    found = registry.get(name if wanted is None else f"{name}@{wanted}")
    return ModelSource(found.name, str(found.version), Path(registry.source(found.name, found.version)))


def resolve_sources(wanted: Sequence[str], registry: Registry | None) -> list[ModelSource]:
    """Find out what a user wants served; files of one model become its versions 1, 2 and so on.

    Raises:
        ConflictError: The same version is named twice.
    """
    sources: list[ModelSource] = []
    for what in wanted:
        source = resolve_source(what, registry)
        taken = {known.version for known in sources if known.name == source.name}
        if source.version in taken and not Path(what).exists():
            raise ConflictError(
                f"{source.name} version {source.version} is named twice", hint="name each version once"
            )
        number = next(n for n in map(str, range(int(source.version), 1 << 31)) if n not in taken)
        sources.append(replace(source, version=number))
    return sources


def serve(
    models: Sequence[ModelSource],
    config: ServeConfig,
    *,
    registry: Registry | None = None,
    on_ready: Callable[[Addresses], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is under way and return.

    Args:
        models: What to load at the start. The first version of a name gets its traffic.
        config: Settings.
        registry: Where clients may load models from by name.
        on_ready: Told the addresses when every model is loaded, warm and checked.

    Raises:
        ConflictError: A port is taken.
        BurnishError: A model cannot be loaded.
    """
    uvloop.run(Server(config, registry).run(models, on_ready))


class Server:
    """One server."""

    def __init__(self, config: ServeConfig, registry: Registry | None) -> None:
        self._config = config
        self._registry = registry
        self._metrics = Metrics()
        self._models = Models(config, self._metrics)
        self._router = LiveTraffic()
        self._connections: set[HttpProtocol] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(
        self, models: Sequence[ModelSource], on_ready: Callable[[Addresses], None] | None = None
    ) -> None:
        """Load, listen, and stay until a signal asks to stop."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        config = self._config
        with _listen(config.host, config.port) as http, _listen(config.host, config.admin_port) as admin:
            try:
                await self._load_all(models, stop)
                routes = self._routes()
                listener = await loop.create_server(
                    lambda: HttpProtocol(routes, config, self._connections), sock=http, backlog=1024
                )
                endpoints = Admin(self._models, self._router, self._metrics, self._load_as)
                operators = _AdminServer(endpoints.app())
                self._spawn(operators.serve(sockets=[admin]))
                self._spawn(self._models.watch())
                gc.collect()
                gc.freeze()  # looking again and again at all that was imported would halt the loop for 0.1 s
                if on_ready is not None and not stop.is_set():
                    on_ready(Addresses(_url(http), _url(admin)))
                await stop.wait()
                await self._drain(listener)
                operators.should_exit = True
            finally:
                gc.unfreeze()
                self._models.close()
                for task in self._tasks:
                    task.cancel()

    async def _load_all(self, models: Sequence[ModelSource], stop: asyncio.Event) -> None:
        """Load the models of the start, unless a signal comes first."""
        for source in models:
            loading = asyncio.ensure_future(self.load(source))
            stopping = asyncio.ensure_future(stop.wait())
            await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not loading.done():
                loading.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await loading
                return
            loading.result()

    async def load(self, source: ModelSource) -> Version:
        """Load a version; the first of a model gets its traffic."""
        name = source.name
        is_new = name not in self._models.names()
        loaded = await self._models.load(name, source.version, source.path)
        if is_new and not self._models.has_several(name):
            fence = self._router.policy(name).fence if self._router.versions_in_use(name) else 0
            self._router.apply(name, TrafficPolicy(primary=loaded.version, fence=fence))
        return loaded

    async def _load_as(self, name: str, version: str, what: str) -> Version:
        """Load a version under the names that an operator gives it."""
        return await self.load(ModelSource(name, version, resolve_source(what, self._registry).path))

    def _routes(self) -> Routes:
        return Routes(
            self._models,
            Exchange(self._models, self._router, self._config),
            _RegistryRepository(self, self._models, self._registry),
            self._config,
            spawn=self._spawn,
            version=installed_version("burnish"),
        )

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self, listener: asyncio.Server) -> None:
        """Take no more connections; answer what is under way; give up after the configured time."""
        listener.close()
        for connection in list(self._connections):
            connection.drain()
        deadline = asyncio.get_running_loop().time() + self._config.drain_s
        while self._connections and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        if self._connections:
            log.warning("connections cut off at the end of the drain", connections=len(self._connections))


class _RegistryRepository:
    """The models that clients may load by name."""

    def __init__(self, server: Server, models: Models, registry: Registry | None) -> None:
        self._server = server
        self._models = models
        self._registry = registry

    async def load(self, name: str) -> None:
        """Load a model from the registry; nothing happens when it is loaded already."""
        if name not in self._models.names():
            await self._server.load(resolve_source(name, self._registry))

    async def unload(self, name: str) -> None:
        """Unload all versions of a model."""
        versions = list(self._models.versions(name))
        await asyncio.gather(*(self._models.unload(name, version) for version in versions))

    def index(self) -> list[dict[str, str]]:
        """List what is loaded, and what the registry holds beside it."""
        rows = [
            {"name": name, "version": version, "state": "READY", "reason": ""}
            for name in self._models.names()
            for version in self._models.versions(name)
        ]
        if self._registry is not None and self._registry.root.exists():
            loaded = set(self._models.names())
            rows += [
                {"name": name, "version": "", "state": "UNAVAILABLE", "reason": "not loaded"}
                for name in self._registry.models()
                if name not in loaded
            ]
        return rows


class _AdminServer(uvicorn.Server):
    """Uvicorn inside our loop; signals are ours."""

    def __init__(self, app: Any) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the server around this one."""
        yield


@contextlib.contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    """Bind a port.

    Raises:
        ConflictError: It is taken.
        InputError: The address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        try:
            listener.bind((host, port))
            listener.listen(1024)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConflictError(
                    f"port {port} on {host} is taken",
                    hint="choose another with --port or --admin-port; 0 takes a free one",
                ) from error
            raise InputError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        yield listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def write_ready_file(path: Path, addresses: Addresses) -> None:
    """Tell another process where the server listens, in one whole file of JSON."""
    write_atomic(path, json.dumps({"http": addresses.http, "admin": addresses.admin}).encode())
