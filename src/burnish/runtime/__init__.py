"""Engines as plug-ins behind one small contract; switching is one argument."""

from burnish.runtime.backend import Backend, BackendSpec, DeviceStatus, Session, SessionOptions
from burnish.runtime.machine import Machine, fingerprint
from burnish.runtime.parity import OutputParity, ParityReport, parity
from burnish.runtime.resolve import backend_names, device_table, load_backends, resolve
from burnish.runtime.session import CheckedSession, open_session

__all__ = [
    "Backend",
    "BackendSpec",
    "CheckedSession",
    "DeviceStatus",
    "Machine",
    "OutputParity",
    "ParityReport",
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
