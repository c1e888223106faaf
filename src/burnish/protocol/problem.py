"""The one table from errors to HTTP status and gRPC code; a test walks the whole tree of errors over it."""

from burnish import errors

STATUS: dict[type[errors.BurnishError], tuple[int, str]] = {
    errors.InputError: (400, "INVALID_ARGUMENT"),
    errors.NotFoundError: (404, "NOT_FOUND"),
    errors.ConflictError: (409, "ABORTED"),
    errors.GateError: (422, "FAILED_PRECONDITION"),
    errors.CapacityError: (503, "RESOURCE_EXHAUSTED"),
    errors.DeadlineError: (504, "DEADLINE_EXCEEDED"),
    errors.ArtifactError: (422, "DATA_LOSS"),
    errors.BackendError: (500, "INTERNAL"),
    errors.InternalError: (500, "INTERNAL"),
}


def status_of(error: errors.BurnishError) -> tuple[int, str]:
    """Return the HTTP status and the gRPC code of an error: those of its nearest ancestor in the table.

    >>> status_of(errors.ShapeError("input 'x': rank")), status_of(errors.QueueFullError("full"))
    ((400, 'INVALID_ARGUMENT'), (503, 'RESOURCE_EXHAUSTED'))
    """
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), (500, "INTERNAL"))


def problem_body(error: errors.BurnishError) -> dict[str, str]:
    """Return what a client is told: the protocol's ``error``, and beside it our code and hint."""
    return {"error": error.message, "code": error.code, "hint": error.hint}
