"""Engines as plug-ins behind one small contract; switching is one argument."""

from burnish.runtime.backend import Backend, BackendSpec, DeviceStatus, Placed, Session, SessionOptions
from burnish.runtime.checked import CheckedSession
from burnish.runtime.machine import Machine, fingerprint
from burnish.runtime.parity import OutputParity, ParityReport, parity
from burnish.runtime.resolve import backend_names, device_table, load_backends, resolve
from burnish.runtime.session import open_session

__all__ = [
    "Backend",
    "BackendSpec",
    "CheckedSession",
    "DeviceStatus",
    "Machine",
    "OutputParity",
    "ParityReport",
    "Placed",
    "Session",
    "SessionOptions",
    "backend_names",
    "load_backends",
    "device_table",
    "fingerprint",
    "open_session",
    "parity",
    "resolve",
]
