"""The command line. Commands are imported when they are called, so that each starts as fast as it can."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": (
        "gateway.cli.demo",
        "Watch real prompts being judged, forwarded, priced and reported; no keys needed.",
    ),
    "serve": ("gateway.cli.serve", "Start the gateway."),
    "check": ("gateway.cli.check", "Check the configuration, packs and prices without starting."),
    "explain": ("gateway.cli.explain", "Say where a prompt would go, and why."),
    "analyze": (
        "gateway.cli.analyze",
        "Measure code or a change: complexity, impact, risk, and who should review it.",
    ),
    "score": ("gateway.cli.score", "Judge JSON lines from standard input; one JSON line each."),
    "replay": ("gateway.cli.replay", "Judge recorded decisions again under another policy."),
    "report": ("gateway.cli.report", "Show what requests cost and what routing saved."),
    "ledger": ("gateway.cli.ledger", "Export the ledger, and delete what need not be kept."),
    "prices": ("gateway.cli.prices", "List and check prices, price a period again."),
    "teams": ("gateway.cli.teams", "Create and list teams."),
    "keys": ("gateway.cli.keys", "Create, list and revoke keys."),
    "workflows": (
        "gateway.cli.workflows",
        "List, show, cancel, approve and deny escalation workflows.",
    ),
    "policy": ("gateway.cli.policy", "Test, lint and try packs; see what outcomes speak for changing."),
}
"""By name: the module whose `command` it is, and its line of help."""


class _Lazy(click.Group):
    """A group that knows its commands by name and loads them on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        known = COMMANDS.get(cmd_name)
        if known is None:
            return None
        command: click.Command = importlib.import_module(known[0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tiergate", prog_name="gateway")
def gateway() -> None:
    """An OpenAI-compatible gateway that decides, prompt by prompt, which model the work deserves."""
