"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

RegistryOption = Annotated[
    Path,
    typer.Option("--registry", envvar="BURNISH_REGISTRY", help="Folder of the registry.", show_default=True),
]

BackendsOption = Annotated[
    str | None,
    typer.Option(
        help="Engines, separated by commas; `all` for every one. [default: those that need not compile for long]"
    ),
]

SizeOption = Annotated[
    list[str] | None,
    typer.Option(help="Size of another symbolic dimension, as SYMBOL=SIZE; may be repeated."),
]
