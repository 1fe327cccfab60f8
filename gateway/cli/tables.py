"""Reports as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from rich import box
from rich.console import Console
from rich.table import Table

from gateway.reports import CostLine, Report, RoiLine

_COST: Mapping[str, str] = {
    "requests": "calls",
    "failed": "failed",
    "premium_requests": "premium",
    "input_tokens": "tokens in",
    "output_tokens": "out",
    "cost_usd": "cost",
    "wasted_usd": "wasted",
}
_ROI: Mapping[str, str] = {
    "requests": "calls",
    "premium_share": "premium",
    "cost_usd": "cost",
    "baseline_usd": "versus",
    "savings_usd": "saved",
    "savings_share": "share",
    "coverage": "priced",
}
"""Column headings by field. Amounts are rounded for the eye; JSON and CSV carry every digit."""


def print_report(report: Report, console: Console | None = None) -> None:
    """Print a report with its totals and everything that qualifies the figures."""
    console = console or Console()
    fields = _COST if report.kind == "costs" else _ROI
    since, until = (instant[:16].replace("T", " ") for instant in (report.since, report.until))
    title = f"{report.kind}, {since} to {until} {report.time_zone}"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in report.group_by:
        table.add_column(name, no_wrap=True)
    for heading in fields.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for line in report.lines if report.group_by else ():
        table.add_row(*(line.group[g] for g in report.group_by), *_cells(line, fields))
    table.add_section()
    heads = ["total", *[""] * (len(report.group_by) - 1)] if report.group_by else []
    table.add_row(*heads, *_cells(report.total, fields), style="bold")
    console.print(table)
    total = report.total
    notes = [f"{total.estimated} estimated", f"{total.interrupted} interrupted"]
    if isinstance(total, RoiLine):
        notes.append(f"{total.unpriced_baselines} without a priced baseline")
    console.print("  requests: " + ", ".join(notes))


def _cells(line: CostLine | RoiLine, fields: Iterable[str]) -> list[str]:
    return [_cell(name, getattr(line, name)) for name in fields]


def _cell(name: str, value: object) -> str:
    if value is None:
        return "-"
    if name.endswith("_share") or name == "coverage":
        return f"{float(str(value)):.1%}"
    return f"${Decimal(str(value)):.4f}" if name.endswith("_usd") else str(value)
