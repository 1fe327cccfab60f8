"""`gateway explain`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
import msgspec

from gateway.cli.options import config_option, layer_options, open_layers, or_fail
from policies.escalation_triggers.declared import FIELDS
from policies.facts import Declared
from policies.policy import Policy
from policies.verdicts import Decision
from policies.yaml_faults import nearest


@click.command("explain")
@config_option
@layer_options
@click.option(
    "--declare",
    "declared",
    multiple=True,
    metavar="FIELD=VALUE",
    help="As if a trusted key declared this, such as service=payments; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole decision as JSON.")
@click.argument("text", required=False)
def command(
    *,
    config: Path | None,
    team: str,
    key_packs: tuple[str, ...],
    declared: tuple[str, ...],
    as_json: bool,
    text: str | None,
) -> None:
    """Say where TEXT (or standard input) would go, and why: triggers, words, thresholds, prices."""
    configuration = open_layers(config, team)
    from gateway.judging import Judge
    from gateway.pack_files import load_reach
    from gateway.policy_layers import load_policies

    context = _declared(declared)
    fleet = or_fail(lambda: load_reach(configuration)).fleet
    policy = or_fail(lambda: load_policies(configuration, fleet).for_key(team, key_packs))
    asked = sys.stdin.read() if text is None else text
    if not asked.strip():
        raise click.ClickException(
            "there is nothing to explain; give the prompt as TEXT or on standard input"
        )
    judged = Judge(policy, now=time.time()).judge_text(asked, context)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(judged.decision), indent=2).decode())
        return
    _print(judged.decision, policy)


def _declared(given: tuple[str, ...]) -> Declared:
    """Return what is declared, as a trusted key's; end the command with one line for anything else."""
    from gateway.features import read_declared

    said: dict[str, str] = {}
    for item in given:
        name, equals, said[name] = item.partition("=")
        if not equals or name not in FIELDS:
            hint = nearest(name, FIELDS) or f"; write FIELD=VALUE, of {', '.join(FIELDS)}"
            raise click.ClickException(f"`{item}` declares nothing{hint}")
    return read_declared(said, trusted=bool(said))


def _print(decision: Decision, policy: Policy) -> None:
    from gateway.explain import explain

    shown = explain(decision, policy=policy)
    click.echo(shown.sentence)
    for title, lines in (("why", shown.why), ("why not", shown.why_not), ("price", shown.prices)):
        for line in lines:
            click.echo(f"  {title:8} {line}")
    signals = sorted(decision.signals.items(), key=lambda item: -item[1])
    strong = ", ".join(f"{n} {v:.2f}" for n, v in signals if n.startswith("detector.") and v >= 0.05)  # noqa: PLR2004
    click.echo(f"  signals  {strong or 'nothing above 0.05'}")
    click.echo(f"  policy   {policy.revision}")
