"""Immutable versions, aliases moved by compare-and-swap, and a log that cannot be rewritten unseen."""

from burnish.registry.audit import AuditEntry
from burnish.registry.records import Alias, ModelVersion, Verified
from burnish.registry.registry import Registry

__all__ = ["Alias", "AuditEntry", "ModelVersion", "Registry", "Verified"]
