"""Run the fake vendors by themselves: `python -m gateway.upstreams.scripted --port 9300`."""

from __future__ import annotations

import asyncio

import click

from gateway.upstreams.scripted.app import serve_scripted


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=9300, show_default=True, help="0 picks a free port.")
def main(host: str, port: int) -> None:
    """Serve the fake vendors until interrupted."""
    try:
        asyncio.run(_serve(host, port))
    except KeyboardInterrupt:
        click.echo("stopped")


async def _serve(host: str, port: int) -> None:
    async with serve_scripted(host=host, port=port) as vendors:
        click.echo(f"Z.ai             {vendors.zai_url}")
        click.echo(f"Z.ai, Anthropic  {vendors.zai_anthropic_url}")
        click.echo(f"OpenAI           {vendors.openai_url}")
        click.echo(f"Anthropic        {vendors.anthropic_url}")
        click.echo(f"with a scenario  {vendors.url}/scenario/status=429,retry_after=34/api/paas/v4")
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
