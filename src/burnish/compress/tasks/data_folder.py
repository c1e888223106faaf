"""Where data sets lie that are too large to ship."""

import os
from pathlib import Path

from burnish.errors import NotFoundError

VARIABLE = "BURNISH_DATA"


def data_file(*parts: str) -> Path:
    """Return a file below the data folder that the environment names.

    Raises:
        NotFoundError: The variable is not set, or there is no such file.
    """
    folder = os.environ.get(VARIABLE)
    path = Path(folder or "", *parts)
    if not folder:
        raise NotFoundError(
            f"{'/'.join(parts)}: the data folder is not known",
            hint=f"set {VARIABLE} to the folder that holds {parts[0]}/",
        )
    if not path.exists():
        raise NotFoundError(f"{path}: no such file", hint=f"{VARIABLE} is {folder}")
    return path
