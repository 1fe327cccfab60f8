"""`gateway serve`."""

from __future__ import annotations

import gc
from pathlib import Path

import click

from gateway.cli.options import config_option, open_configuration, or_fail


@click.command("serve")
@config_option
@click.option("--host", default=None, help="Address to listen on; overrides server.host.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port; overrides server.port.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=None, help="Processes; overrides server.workers."
)
def command(*, config: Path | None, host: str | None, port: int | None, workers: int | None) -> None:
    """Start the gateway and serve until told to stop."""
    gc.disable()  # what is made from here to the first answer stays; serving turns it on again
    configuration = open_configuration(config, need_secrets=True)
    from gateway.server import serve

    or_fail(lambda: serve(configuration, host=host, port=port, workers=workers))
