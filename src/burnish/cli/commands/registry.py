"""Push, list and verify immutable versions; move aliases."""

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from burnish.bundle import Bundle
from burnish.cli.options import RegistryOption
from burnish.cli.render import JsonOption, emit_json, out, table
from burnish.errors import InputError
from burnish.registry import Alias, AuditEntry, ModelVersion, Registry
from burnish.registry.records import split_reference
from burnish.units import format_bytes

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)

_DEFAULT = Path(".burnish/registry")
_Reference = Annotated[str, typer.Argument(metavar="NAME[@VERSION|@ALIAS]", help="Which version.")]
_Expect = Annotated[
    int | None,
    typer.Option("--expect-generation", min=0, help="Change it only while it has this generation."),
]


@app.command()
def push(
    bundle: Annotated[Path, typer.Argument(help="A folder or a .burnish file.")],
    name: Annotated[str | None, typer.Option(help="Name of the model. [default: the bundle's]")] = None,
    registry: RegistryOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Register a bundle as the next version; the same bundle again is the same version."""
    with Registry(registry) as store:
        version = store.push(Bundle.open(bundle), name=name)
    if json:
        emit_json(_version(version))
    else:
        out.print(f"{version.reference} is {version.digest}", highlight=False, soft_wrap=True)


@app.command("list")
def list_command(
    name: Annotated[str | None, typer.Argument(help="Model; all models when left out.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Versions shown, the newest first.")] = 50,
    registry: RegistryOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """List the newest version of every model, or the versions of one."""
    with Registry(registry, create=False) as store:
        if name is not None:
            found = store.versions(name, limit=limit)
        else:
            found = [version for model in store.models() for version in store.versions(model, limit=1)]
    if json:
        emit_json([_version(version) for version in found])
        return
    rows = ((v.name, v.version, ", ".join(v.aliases), v.created, v.digest[:19]) for v in found)
    table(str(registry), ("model", "version", "aliases", "registered", "digest"), rows, numeric=["version"])


@app.command()
def show(reference: _Reference, registry: RegistryOption = _DEFAULT, json: JsonOption = False) -> None:
    """Show one version: its manifest, its aliases, and what it was made from."""
    with Registry(registry, create=False) as store:
        line = store.lineage(reference)
        version, ancestors = line[0], line[1:]
        aliases = [alias for alias in store.aliases(version.name) if alias.version == version.version]
    if json:
        document = {
            **_version(version),
            "aliases": aliases,
            "lineage": [ancestor.reference for ancestor in ancestors],
            "manifest": msgspec.to_builtins(version.manifest),
        }
        emit_json(document)
        return
    manifest = version.manifest
    rows = [
        ("digest", version.digest),
        ("registered", version.created),
        ("engine", f"{manifest.engine.backend} on {manifest.engine.device}"),
        *(("alias", _alias_words(alias)) for alias in aliases),
        *(
            (metric, f"{m.value:.6g} [{m.low:.6g}, {m.high:.6g}] {m.unit}")
            for metric, m in manifest.metrics.items()
        ),
        *(("made from", ancestor.reference) for ancestor in ancestors),
        ("data", manifest.data_hash),
        ("code", manifest.code_revision),
        ("size", format_bytes(sum(entry.bytes for entry in manifest.files))),
    ]
    table(version.reference, ("what", "value"), ((what, value) for what, value in rows if value))


@app.command()
def pull(
    reference: _Reference,
    out_path: Annotated[
        Path, typer.Option("--out", help="Where: one file when it ends in .burnish, else a folder.")
    ],
    registry: RegistryOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Write a version's bundle to a path, every byte verified."""
    with Registry(registry, create=False) as store:
        bundle = store.pull(reference, out_path)
    if json:
        emit_json({"path": bundle.path, "digest": bundle.digest})
    else:
        out.print(f"{bundle.path} is {bundle.digest}", highlight=False, soft_wrap=True)


@app.command()
def alias(
    reference: _Reference,
    alias: Annotated[str, typer.Argument(help="Such as primary.")],
    expect: _Expect = None,
    drop: Annotated[
        bool, typer.Option("--drop", help="Remove the alias; REFERENCE is the model's name.")
    ] = False,
    registry: RegistryOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Point an alias to a version, or remove it."""
    name, version = split_reference(reference)
    if drop == (version is not None):
        wanted = "only the model's name" if drop else "a version"
        raise InputError(
            f"{reference!r}: this needs {wanted}", hint="NAME@VERSION ALIAS, or --drop NAME ALIAS"
        )
    with Registry(registry, create=False) as store:
        if version is None:
            store.drop_alias(name, alias, expect=expect)
            moved = None
        else:
            moved = store.set_alias(name, alias, version, expect=expect)
    if json:
        emit_json(moved)
    elif moved is None:
        out.print(f"{name}@{alias} is removed", highlight=False)
    else:
        out.print(f"{name}@{moved.alias} is version {moved.version}: {_alias_words(moved)}", highlight=False)


@app.command()
def verify(
    reference: _Reference,
    lock_policy: Annotated[
        str, typer.Option(help="When the runtime lock differs: strict, warn or ignore.")
    ] = "warn",
    registry: RegistryOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Read every blob of a version and check it, and compare its runtime lock with this machine."""
    with Registry(registry, create=False) as store:
        verified = store.verify(reference, lock_policy=lock_policy)
    if json:
        differences = msgspec.to_builtins(list(verified.differences))
        document = {"files": verified.files, "bytes": verified.bytes, "differences": differences}
        emit_json(_version(verified.version) | document)
        return
    size = format_bytes(verified.bytes)
    out.print(
        f"{verified.version.reference}: {verified.files} files, {size}: every byte is right", highlight=False
    )
    for difference in verified.differences:
        out.print(f"runtime: {difference}", highlight=False, markup=False)


@app.command()
def audit(
    name: Annotated[str | None, typer.Argument(help="Model; all models when left out.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Entries shown, the newest ones.")] = 50,
    registry: RegistryOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Check the audit log's chain, and show who changed what when."""
    with Registry(registry, create=False) as store:
        length = store.verify_audit()
        entries = store.audit(name, limit=limit)
    if json:
        emit_json({"verified_entries": length, "entries": entries})
        return
    rows = ((e.seq, e.at, e.actor, e.action, e.name, _facts(e)) for e in entries)
    title = f"{registry}: {length} entries, the chain is whole"
    table(title, ("#", "at", "actor", "action", "model", "facts"), rows, numeric=["#"])


def _version(version: ModelVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.version,
        "digest": version.digest,
        "created": version.created,
        "parent": version.parent,
        "aliases": list(version.aliases),
    }


def _alias_words(alias: Alias) -> str:
    before = f", before it version {alias.previous}" if alias.previous else ""
    return f"{alias.alias}, generation {alias.generation}{before}"


def _facts(entry: AuditEntry) -> str:
    return json_text.dumps(entry.facts, sort_keys=True)
