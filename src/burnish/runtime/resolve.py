"""Which engine runs on which device of this machine."""

from collections.abc import Iterator

from burnish import plugins
from burnish.errors import MissingExtraError, UnsupportedDeviceError, nearest
from burnish.runtime.backend import Backend, DeviceStatus
from burnish.runtime.devices import index_of, kind_of

GROUP = "burnish.backends"
# Which engine a device gets when none is named: the first of these that can use it.
_PREFERENCE = ("onnxruntime", "openvino", "torch")


def load_backends() -> dict[str, Backend]:
    """Return every known back end by name, preferred ones first; no engine is imported."""
    return {name: plugins.load(GROUP, name) for name in backend_names()}


def backend_names() -> list[str]:
    """Return the names of every known back end, preferred ones first."""
    known = plugins.entries(GROUP)
    rest = sorted(set(known) - set(_PREFERENCE))
    return [name for name in (*_PREFERENCE, *rest) if name in known]


def get_backend(name: str) -> Backend:
    """Return one back end whose engine is installed.

    Raises:
        NotFoundError: No back end has this name.
        MissingExtraError: Its engine is not installed.
    """
    backend: Backend = plugins.load(GROUP, name)
    if not plugins.is_installed(backend.spec.package):
        raise MissingExtraError(
            backend.spec.package, extra=backend.spec.extra or "all", need=f"the back end {name!r}"
        )
    return backend


def device_table() -> Iterator[tuple[Backend, DeviceStatus]]:
    """Yield every device of every back end with whether it can be used here, and why not.

    An engine is imported only when its turn comes.
    """
    for name in backend_names():
        backend: Backend = plugins.load(GROUP, name)
        if plugins.is_installed(backend.spec.package):
            yield from ((backend, status) for status in backend.devices())
        else:
            reason = f"{backend.spec.package} is not installed"
            yield from ((backend, DeviceStatus(device, False, reason)) for device in backend.spec.devices)


def resolve(device: str = "cpu", backend: str | None = None) -> Backend:
    """Choose the engine for a device.

    Args:
        device: Such as ``cpu`` or ``cuda``; ``cuda:1`` is the second of several.
        backend: Name of an engine; None takes the preferred one that can use the device.

    Raises:
        NotFoundError: No back end has this name.
        MissingExtraError: The named engine is not installed.
        UnsupportedDeviceError: The device is unknown, or cannot be used here; the text lists what is
            available and why the rest is not.
    """
    index_of(device)  # its errors come before any engine is asked
    if backend is not None:
        chosen = get_backend(backend)
        for status in chosen.devices():
            if status.device == kind_of(device) and status.available:
                return chosen
    else:
        for candidate, status in device_table():
            if status.device == kind_of(device) and status.available:
                return candidate
    raise UnsupportedDeviceError(_explain(device, backend), hint=_hint(device))


def _explain(device: str, backend: str | None) -> str:
    table = list(device_table())
    usable: dict[str, list[str]] = {}
    for candidate, status in table:
        if status.available:
            usable.setdefault(status.device, []).append(candidate.spec.name)
    available = ", ".join(f"{name} ({', '.join(engines)})" for name, engines in usable.items())
    refused = [(candidate.spec.name, status) for candidate, status in table if not status.available]
    meant = [
        (name, status)
        for name, status in refused
        if status.device == kind_of(device) and backend in (None, name)
    ]
    reasons = "; ".join(
        f"{status.device} ({name}): {status.reason}"
        for name, status in meant or refused  # a device that nobody knows: all that might have been meant
    )
    asked = f"device {device!r}" + (f" of back end {backend!r}" if backend else "")
    return f"{asked} cannot be used here. Available: {available}. Not available: {reasons or 'nothing else'}"


def _hint(device: str) -> str:
    known = {status.device for _, status in device_table()}
    kind = kind_of(device)
    return "run `burnish doctor` for the whole table" if kind in known else nearest(kind, known)
