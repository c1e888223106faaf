"""How a server runs."""

from dataclasses import dataclass

from burnish.bundle.runtime_lock import Policy
from burnish.runtime.backend import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """Settings of one server; environment variables ``BURNISH_SERVE_<FIELD>`` set them too."""

    host: str = "127.0.0.1"
    """Address that both ports are bound to."""
    port: int = 8000
    """Port of the Open Inference Protocol; 0 takes a free one."""
    admin_port: int = 8001
    """Port of operators, metrics and rollouts; 0 takes a free one."""
    max_batch_size: int = 32
    """Rows that are run at once, at the most."""
    max_queue_delay_us: int = 0
    """How long a batch that is not full waits for more; 0 sends it at once when a worker is idle."""
    queue_size: int = 1024
    """Requests that may wait for one version; more are refused."""
    instances: int = 1
    """Worker processes for each version."""
    threads: int = 1
    """Threads of the engine in each worker; 0 leaves the choice to the engine."""
    memory: Memory = "fast"
    """``low`` makes each worker hold every weight once: smaller, and slower to load."""
    request_timeout_s: float = 30.0
    """How long a request may take; a worker that takes longer is replaced."""
    load_timeout_s: float = 120.0
    """How long a version may take to load, warm up and be checked."""
    max_body_bytes: int = 64 << 20
    """Largest request body, before and after decompression."""
    max_header_bytes: int = 64 << 10
    """Largest request head."""
    idle_timeout_s: float = 75.0
    """How long a connection may be silent, or take to send one request."""
    drain_s: float = 10.0
    """How long requests that are under way may take when the server stops."""
    mirror_queue: int = 256
    """Mirrored requests that may wait for one shadow; more are dropped and counted."""
    observations: int = 20_000
    """Observations kept for each model that is being rolled out."""
    lock_policy: Policy = "warn"
    """What to do when a bundle's runtime lock differs from this machine: strict, warn or ignore."""
    repository_control: bool = True
    """Whether clients may load and unload models through the protocol's repository calls."""

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "queue_size", "instances", "max_body_bytes", "observations"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("port", "admin_port"):
            if not 0 <= getattr(self, name) <= 65_535:
                raise ValueError(f"{name} must be a port from 0 to 65535, got {getattr(self, name)}")
        for name in ("request_timeout_s", "load_timeout_s", "idle_timeout_s"):
            if not getattr(self, name) > 0:  # so that NaN is refused too
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("max_queue_delay_us", "threads", "drain_s", "mirror_queue"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
