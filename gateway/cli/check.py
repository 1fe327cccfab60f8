"""`gateway check`."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.options import config_option, open_configuration, or_fail


@click.command("check")
@config_option
def command(*, config: Path | None) -> None:
    """Check configuration, packs, pack tests and prices; print what would run, without any secret."""
    configuration = open_configuration(config, need_secrets=False)
    from gateway.policy_source import load_policies, load_reach

    reach = or_fail(lambda: load_reach(configuration))
    policies = or_fail(lambda: load_policies(configuration, reach.fleet))
    click.echo(f"configuration  {configuration.path or 'built in'}")
    policy = policies.organisation
    click.echo(f"policy         {policy.revision}, {len(policy.triggers)} triggers")
    for team, own in policies.teams.items():
        click.echo(f"  team {team}: {own.revision}")
    click.echo(f"prices         {reach.fleet.prices.revision}, {len(reach.fleet.prices.cards)} models")
    for deployment in reach.fleet.deployments.values():
        tier = reach.fleet.tier_of(deployment.id)
        price = deployment.card.prices[0]
        urls = ", ".join(f"{d}: {e.url or 'litellm'}" for d, e in reach.endpoints[deployment.id].items())
        click.echo(
            f"{tier:14} {deployment.id} = {deployment.provider} {deployment.model}; "
            f"${price.input} in, ${price.output} out per million; {urls}"
        )
    for tier, ids in reach.fleet.tiers.items():
        if not ids:
            click.echo(f"warning: tiers.{tier} is empty; `auto` cannot reach it", err=True)
    click.echo("ok")
