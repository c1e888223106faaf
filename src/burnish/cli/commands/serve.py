"""Serve models over the Open Inference Protocol v2."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.options import RegistryOption
from burnish.cli.render import JsonOption, emit_json, out
from burnish.config import load_config
from burnish.registry import Registry
from burnish.serve.config import ServeConfig
from burnish.server import Addresses, resolve_sources, write_ready_file
from burnish.server import serve as run_server

app = typer.Typer(rich_markup_mode=None)


@app.command()
def serve(
    models: Annotated[
        list[str],
        typer.Argument(help="NAME[@VERSION|@ALIAS] of the registry, or the path of a bundle or ONNX file."),
    ],
    registry: RegistryOption = Path(".burnish/registry"),
    host: Annotated[str | None, typer.Option(help="Address to bind. [default: 127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the protocol; 0 takes a free one. [default: 8000]")
    ] = None,
    admin_port: Annotated[int | None, typer.Option(help="Port for operators. [default: 8001]")] = None,
    max_batch_size: Annotated[int | None, typer.Option(help="Rows run at once. [default: 32]")] = None,
    max_queue_delay_us: Annotated[
        int | None, typer.Option(help="How long a batch waits for more, microseconds. [default: 0]")
    ] = None,
    instances: Annotated[int | None, typer.Option(help="Worker processes a version. [default: 1]")] = None,
    threads: Annotated[int | None, typer.Option(help="Engine threads a worker. [default: 1]")] = None,
    memory: Annotated[
        str | None, typer.Option(help="fast, or low: workers hold each weight once. [default: fast]")
    ] = None,
    request_timeout_s: Annotated[
        float | None, typer.Option(help="Longest request, seconds. [default: 30]")
    ] = None,
    lock_policy: Annotated[
        str | None, typer.Option(help="When the runtime lock differs: strict, warn, ignore. [default: warn]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file; its table [serve] holds these settings.")
    ] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written with the addresses when ready.")] = None,
    json: JsonOption = False,
) -> None:
    """Serve models until SIGTERM or Ctrl-C, then finish what is under way."""
    flags = {
        "host": host,
        "port": port,
        "admin_port": admin_port,
        "max_batch_size": max_batch_size,
        "max_queue_delay_us": max_queue_delay_us,
        "instances": instances,
        "threads": threads,
        "memory": memory,
        "request_timeout_s": request_timeout_s,
        "lock_policy": lock_policy,
    }
    settings = load_config(
        ServeConfig, file=config, section="serve", env_prefix="BURNISH_SERVE_", flags=flags
    )
    store = Registry(registry)
    sources = resolve_sources(models, store)

    def on_ready(addresses: Addresses) -> None:
        if ready_file is not None:
            write_ready_file(ready_file, addresses)
        if json:
            emit_json(dataclasses.asdict(addresses))
        else:
            names = ", ".join(f"{source.name} version {source.version}" for source in sources)
            out.print(
                f"serving {names} at {addresses.http} (admin {addresses.admin})",
                highlight=False,
                soft_wrap=True,
            )

    run_server(sources, settings, registry=store, on_ready=on_ready)
