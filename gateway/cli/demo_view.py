"""What the demo shows: a line per decision, a progress bar, the reports."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from types import TracebackType
from typing import Self

import aiohttp
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from gateway.cli.demo_client import Shown
from gateway.cli.demo_prompts import PROMPTS, DemoPrompt
from gateway.cli.tables import print_report
from gateway.reports import Kind, decode_report

_STYLES = {"premium": "bold magenta", "base": "green", "-": "red"}


class DemoView:
    """The demo's screen."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=len(PROMPTS))
        self._spent = self._saved = Decimal(0)
        self._premium = self._failed = 0

    def __enter__(self) -> Self:
        """Start the progress display."""
        self._console.print(
            f"[bold]vendors and gateway are up; {len(PROMPTS)} prompts of two teams follow[/bold]"
        )
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the lines, take the bar away."""
        self._progress.stop()

    def asking(self, prompt: DemoPrompt) -> None:
        """Show the prompt under way in the bar."""
        self._progress.update(self._task, description=f"{prompt.team}: {escape(prompt.text[:48])}...")

    def answered(self, shown: Shown) -> None:
        """Print the decision and what it cost."""
        self._progress.advance(self._task)
        self._premium += shown.tier == "premium"
        self._failed += bool(shown.error)
        self._spent += _decimal(shown.cost_usd)
        self._saved += _decimal(shown.savings_usd)
        style = _STYLES.get(shown.tier, "")
        again = f" after {shown.attempts - 1} failed" if shown.attempts > 1 else ""
        self._line(
            f"[{style}]{shown.tier:8}[/{style}] {shown.model:16} {shown.prompt.mode:6} "
            f"${_decimal(shown.cost_usd):.6f}  "
            f"[dim]{shown.prompt.team}:[/dim] {escape(shown.prompt.text)}"
        )
        self._line(f"         [dim]{escape(shown.error or shown.reason)}{again}[/dim]")

    def _line(self, text: str) -> None:
        """Print one line, cut at the edge of the screen."""
        self._progress.console.print(text, no_wrap=True, overflow="ellipsis", highlight=False)

    async def report(self, base_url: str, key: str, kind: Kind) -> None:
        """Fetch a report over the API and print it."""
        url = f"{base_url}/v1/reports/{kind}"
        headers = {"authorization": f"Bearer {key}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(url, params={"group_by": "team,tier"}) as answer,
        ):
            answer.raise_for_status()
            print_report(decode_report(await answer.read()), self._console)

    def summary(self) -> None:
        """Print what it all came to, added up from the answers themselves."""
        self._console.print(
            f"{len(PROMPTS)} prompts, {self._premium} premium, {self._failed} failed; "
            f"the answers said ${self._spent:f} spent and ${self._saved:f} saved against all-premium"
        )

    def invite(self, base_url: str, key: str, admin_key: str) -> None:
        """Print how to go on by hand."""
        self._console.print(f"\nrunning at {base_url}; stop with ctrl-c", style="bold")
        self._console.print(
            f"  base URL  {base_url}/v1\n  key       {key}\n  admin key {admin_key}", highlight=False
        )


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)
