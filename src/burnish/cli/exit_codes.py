"""The one table from errors to exit codes; a test walks the whole tree of errors over it."""

from burnish import errors

OK = 0
INTERRUPTED = 130

EXIT_CODES: dict[type[errors.BurnishError], int] = {
    errors.InputError: 2,
    errors.GateError: 3,
    errors.CapacityError: 4,
    errors.ArtifactError: 5,
    errors.BackendError: 6,
    errors.InternalError: 70,
}


def exit_code_of(error: errors.BurnishError) -> int:
    """Return the exit code of an error: that of its nearest ancestor in the table.

    >>> exit_code_of(errors.ShapeError("input 'x': rank"))
    2
    """
    return next((EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES), 1)
