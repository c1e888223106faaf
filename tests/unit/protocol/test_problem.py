"""Every error has an HTTP status and a gRPC code, and a client is told all of it."""

import pytest

from burnish import errors
from burnish.protocol.problem import STATUS, problem_body, status_of


def tree(kind=errors.BurnishError):
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


GRPC = {
    "INVALID_ARGUMENT", "NOT_FOUND", "ABORTED", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED",
    "DATA_LOSS", "INTERNAL",
}  # fmt: skip


@pytest.mark.parametrize(
    "kind", [k for k in tree() if k is not errors.BurnishError], ids=lambda k: k.__name__
)
def test_every_error_has_its_status(kind):
    assert any(parent in STATUS for parent in kind.__mro__)
    error = kind.__new__(kind)
    errors.BurnishError.__init__(error, "what", hint="do")
    status, code = status_of(error)
    assert code in GRPC
    assert (400 <= status < 500) == isinstance(
        error, (errors.InputError, errors.GateError, errors.ArtifactError)
    )
    assert problem_body(error) == {"error": "what", "code": kind.code, "hint": "do"}
