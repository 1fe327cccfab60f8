"""`gateway demo`: the whole product in one minute, on loopback, without a key of any vendor."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:  # the imports themselves wait until the command runs
    from gateway.upstreams.scripted import Vendors
    from gateway.wiring import Wiring


@click.command("demo")
@click.option("--serve", "stay", is_flag=True, help="Leave gateway and vendors running afterwards.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port of the gateway; default a free one."
)
def command(*, stay: bool, port: int) -> None:
    """Start scripted vendors and the gateway, send real prompts, show each decision, report cost and ROI.

    Everything runs on loopback with a database in a temporary folder; nothing is left behind.
    """
    import uvloop

    from gateway.errors import GatewayError

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_demo(stay=stay, port=port))
    except GatewayError as error:
        raise click.ClickException(error.message) from None
    except KeyboardInterrupt:
        click.echo("stopped")


class _Stage(msgspec.Struct, frozen=True, kw_only=True):
    """The running demo."""

    base_url: str
    keys: dict[str, str]
    admin_key: str


async def _demo(*, stay: bool, port: int) -> None:
    from rich.console import Console

    from gateway.cli.demo_client import Sender
    from gateway.cli.demo_view import DemoView
    from gateway.upstreams.scripted import serve_scripted

    console = Console()
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as folder:
        async with serve_scripted() as vendors, _gateway(Path(folder), vendors, port) as stage:
            async with Sender(stage.base_url, stage.keys, vendors) as sender:
                with DemoView(console) as view:
                    await sender.send_all(view)
                for kind in ("costs", "roi"):
                    await view.report(stage.base_url, stage.admin_key, kind)
            view.summary()
            if stay:
                view.invite(stage.base_url, stage.keys["platform"], stage.admin_key)
                await asyncio.Event().wait()


@asynccontextmanager
async def _gateway(folder: Path, vendors: Vendors, port: int) -> AsyncIterator[_Stage]:
    """Run a gateway on a fresh database with two teams, each with a key."""
    from gateway.config_file import load_configuration
    from gateway.credentials import mint
    from gateway.log_lines import configure_logging
    from gateway.server import start
    from gateway.wiring import WIRING

    admin_key = mint()
    path = folder / "config.yaml"
    path.write_text(_CONFIG.format(zai=vendors.zai_url, anthropic=vendors.anthropic_url), encoding="utf-8")
    os.environ["GATEWAY_DEMO_MASTER_KEY"] = admin_key
    try:
        configuration = load_configuration(path)
    finally:
        del os.environ["GATEWAY_DEMO_MASTER_KEY"]
    configure_logging(configuration.settings.log)
    runner, base_url = await start(configuration, host="127.0.0.1", port=port)
    try:
        wiring = runner.app[WIRING]
        keys = {team: await _create_key(wiring, team) for team in ("storefront", "platform")}
        yield _Stage(base_url=base_url, keys=keys, admin_key=admin_key)
    finally:
        await runner.cleanup()


async def _create_key(wiring: Wiring, team: str) -> str:
    from gateway.credentials import fingerprint, mint
    from gateway.stores.base import BudgetSpec, KeySpec
    from policies.pricing import NANO_PER_USD

    secret = mint()
    spec = KeySpec(
        name=f"{team}-demo",
        scopes=("inference", "reports"),
        budgets=(BudgetSpec(limit_nano=25 * NANO_PER_USD, period="1d"),),
    )
    pepper = await wiring.directory.pepper()
    await wiring.directory.create_key(team, spec, fingerprint(secret, pepper), actor="demo")
    return secret


_CONFIG = """\
model_list:
  - model_name: glm-4.5
    litellm_params: {{model: zai/glm-4.5, api_base: "{zai}", api_key: demo-vendor-key}}
  - model_name: claude-opus-4-1
    litellm_params:
      {{model: anthropic/claude-opus-4-1-20250805, api_base: "{anthropic}", api_key: demo-vendor-key}}
tiers: {{base: [glm-4.5], premium: [claude-opus-4-1]}}
policy: {{packs: [default], reload_seconds: 0}}
router_settings: {{num_retries: 1}}
general_settings: {{master_key: os.environ/GATEWAY_DEMO_MASTER_KEY, database_url: "sqlite:///demo.db"}}
log: {{level: error, format: console}}
teams:
  - {{name: storefront, budget_usd: 50, period: 1mo}}
  - {{name: platform, budget_usd: 50, period: 1mo}}
"""
