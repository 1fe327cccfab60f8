"""The process a running gateway gives a back-test to: one job in, one line of JSON out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import msgspec

from gateway.backtest import Job, Told
from gateway.cli.options import open_configuration
from gateway.cli.replay import candidate, run
from gateway.errors import GatewayError
from policies.pack import PackText

_NICENESS = 10
"""Requests come first."""


def main() -> None:
    """Answer the job on standard input."""
    os.nice(_NICENESS)
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    configuration = open_configuration(None if job.config is None else Path(job.config), need_secrets=False)
    over = (PackText("policy.text", job.text),) if job.text else ()
    try:
        policy_of = candidate(configuration, job.packs, *over)
    except GatewayError as error:
        told = Told(refused=error.message)
    else:
        told = Told(found=run(configuration, policy_of, job.question))
    click.echo(msgspec.json.encode(told))


if __name__ == "__main__":
    main()
