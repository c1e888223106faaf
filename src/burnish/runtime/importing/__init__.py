"""What is done to an ONNX model before an engine's own importer reads it."""

from burnish.runtime.importing.opsets import raised
from burnish.runtime.importing.refusals import Refusal, refuse, refuse_known
from burnish.runtime.importing.specialize import specialized

__all__ = ["Refusal", "raised", "refuse", "refuse_known", "specialized"]
