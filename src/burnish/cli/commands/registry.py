"""Push, list and verify immutable versions; move aliases."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.bundle import Bundle
from burnish.bundle.runtime_lock import enforce
from burnish.cli.commands.bundle import show_manifest
from burnish.cli.options import RegistryOption
from burnish.cli.render import JsonOption, emit_json, out, table
from burnish.errors import NotFoundError
from burnish.registry import ModelVersion, Registry

app = typer.Typer(no_args_is_help=True)

Reference = Annotated[str, typer.Argument(help="NAME@VERSION, NAME@ALIAS, or NAME for the newest.")]
_HOME = Path(".burnish/registry")


@app.command()
def push(
    bundle: Annotated[Path, typer.Argument(help="A bundle: a folder or a .burnish file.")],
    name: Annotated[str | None, typer.Option(help="Name of the model. [default: the bundle's own]")] = None,
    registry: RegistryOption = _HOME,
    json: JsonOption = False,
) -> None:
    """Register a bundle as the next version of its model."""
    version = Registry(registry).push(Bundle.open(bundle), name=name)
    if json:
        emit_json(_facts(version))
    else:
        out.print(f"{version.reference}: {version.digest}", highlight=False, soft_wrap=True)


@app.command("list")
def list_versions(
    name: Annotated[str | None, typer.Argument(help="Model. [default: all]")] = None,
    registry: RegistryOption = _HOME,
    json: JsonOption = False,
) -> None:
    """List models and their versions."""
    store = _existing(registry)
    names = [name] if name is not None else store.models()
    versions = [version for model in names for version in store.versions(model)]
    if json:
        emit_json([_facts(version) for version in versions])
        return
    table(
        "versions",
        ["version", "aliases", "created", "engine", "digest"],
        [
            (v.reference, ", ".join(v.aliases) or "-", v.created, v.manifest.engine.backend, v.digest[:19])
            for v in versions
        ],
    )


@app.command()
def show(reference: Reference, registry: RegistryOption = _HOME, json: JsonOption = False) -> None:
    """Show everything that is known of one version."""
    version = _existing(registry).get(reference)
    extra = {"version": version.reference, "aliases": ", ".join(version.aliases)}
    show_manifest(version.manifest, json=json, extra=extra)


@app.command()
def pull(
    reference: Reference,
    out_path: Annotated[Path, typer.Option("--out", help="Folder to write; it must not exist.")],
    registry: RegistryOption = _HOME,
    json: JsonOption = False,
) -> None:
    """Write a version's bundle to a folder, every byte verified."""
    bundle = _existing(registry).pull(reference, out_path)
    if json:
        emit_json({"path": bundle.path, "digest": bundle.digest})
    else:
        out.print(f"{bundle.path}: {bundle.digest}", highlight=False, soft_wrap=True)


@app.command()
def alias(
    reference: Reference,
    alias_name: Annotated[str, typer.Argument(metavar="ALIAS", help="Such as primary.")],
    expect_generation: Annotated[
        int | None,
        typer.Option(help="Move it only if nobody else has since this generation; 0 for a new one."),
    ] = None,
    registry: RegistryOption = _HOME,
    json: JsonOption = False,
) -> None:
    """Point an alias to a version."""
    store = _existing(registry)
    version = store.get(reference)
    moved = store.set_alias(version.name, alias_name, version.version, expect=expect_generation)
    if json:
        emit_json(moved)
    else:
        out.print(
            f"{moved.name}@{moved.alias} -> version {moved.version} (was {moved.previous or 'unset'}, "
            f"generation {moved.generation})",
            highlight=False,
        )


@app.command()
def verify(
    reference: Reference,
    policy: Annotated[
        str, typer.Option(help="When the runtime lock differs: strict, warn or ignore.")
    ] = "warn",
    registry: RegistryOption = _HOME,
    json: JsonOption = False,
) -> None:
    """Read every blob of a version, check its digest, and compare the runtime lock with this machine."""
    version = _existing(registry).verify(reference)
    differences = list(map(str, enforce(version.manifest.runtime_lock, policy, subject=version.reference)))
    if json:
        emit_json({**_facts(version), "runtime_differences": differences})
        return
    out.print(f"{version.reference}: every blob matches its digest", highlight=False)
    for difference in differences:
        out.print(f"runtime: {difference}", highlight=False)


@app.command()
def audit(
    name: Annotated[str | None, typer.Argument(help="Model. [default: all]")] = None,
    registry: RegistryOption = _HOME,
    json: JsonOption = False,
) -> None:
    """Show who changed what when, after checking that the log is whole."""
    store = _existing(registry)
    length = store.verify_audit()
    entries = store.audit(name)
    if json:
        emit_json({"verified_entries": length, "entries": [dataclasses.asdict(entry) for entry in entries]})
        return
    table(
        f"audit log, {length} entries, the chain is whole",
        ["#", "at", "actor", "action", "model", "facts"],
        [(e.seq, e.at, e.actor, e.action, e.name, e.facts) for e in entries],
        numeric=["#"],
    )


def _existing(root: Path) -> Registry:
    """Open a registry to read from; a mistyped folder is an error, not a new registry."""
    if not (root / "registry.db").exists():
        raise NotFoundError(f"{root}: is no registry", hint="give --registry DIR, or push a bundle first")
    return Registry(root)


def _facts(version: ModelVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.version,
        "digest": version.digest,
        "created": version.created,
        "parent": version.parent,
        "aliases": version.aliases,
    }
