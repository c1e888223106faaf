"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

RegistryOption = Annotated[
    Path,
    typer.Option("--registry", envvar="BURNISH_REGISTRY", help="Folder of the registry.", show_default=True),
]
