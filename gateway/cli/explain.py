"""`gateway explain`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
import msgspec

from gateway.cli.options import config_option, open_configuration, or_fail


@click.command("explain")
@config_option
@click.option("--team", default="", help="Explain under this team's policy.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole decision as JSON.")
@click.argument("text", required=False)
def command(*, config: Path | None, team: str, as_json: bool, text: str | None) -> None:
    """Say where TEXT (or standard input) would go, and why: triggers, words, thresholds, prices."""
    configuration = open_configuration(config, need_secrets=False)
    from gateway.explain import explain
    from gateway.judging import Judge
    from gateway.pack_files import load_reach
    from gateway.policy_layers import load_policies

    reach = or_fail(lambda: load_reach(configuration))
    teams = {declared.name for declared in configuration.settings.teams}
    if team and team not in teams:
        known = ", ".join(sorted(teams)) or "none"
        message = f"the configuration declares no team `{team}` (it declares: {known}); name one of those"
        raise click.ClickException(message)
    policy = or_fail(lambda: load_policies(configuration, reach.fleet)).for_team(team)
    asked = sys.stdin.read() if text is None else text
    if not asked.strip():
        raise click.ClickException(
            "there is nothing to explain; give the prompt as TEXT or on standard input"
        )
    judged = Judge(policy, now=time.time()).judge_text(asked)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(judged.decision), indent=2).decode())
        return
    shown = explain(judged.decision, policy=policy)
    click.echo(shown.sentence)
    for title, lines in (("why", shown.why), ("why not", shown.why_not), ("price", shown.prices)):
        for line in lines:
            click.echo(f"  {title:8} {line}")
    signals = sorted(judged.decision.signals.items(), key=lambda item: -item[1])
    strong = ", ".join(f"{n} {v:.2f}" for n, v in signals if n.startswith("detector.") and v >= 0.05)  # noqa: PLR2004
    click.echo(f"  signals  {strong or 'nothing above 0.05'}")
    click.echo(f"  policy   {policy.revision}")
