"""Reports as tables for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from gateway.reports import CostLine, Report, RoiLine

_COST = ("requests", "failed", "premium_requests", "input_tokens", "output_tokens", "cost_usd", "wasted_usd")
_ROI = (
    "requests",
    "premium_share",
    "cost_usd",
    "baseline_usd",
    "savings_usd",
    "savings_share",
    "wasted_usd",
    "coverage",
)


def print_report(report: Report, console: Console | None = None) -> None:
    """Print a report with its totals and everything that qualifies the figures."""
    console = console or Console()
    fields = _COST if report.kind == "costs" else _ROI
    table = Table(title=f"{report.kind}, {report.since} to {report.until} ({report.time_zone})")
    for name in (*report.group_by, *fields):
        table.add_column(name.replace("_", " "), justify="left" if name in report.group_by else "right")
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


def _cells(line: CostLine | RoiLine, fields: tuple[str, ...]) -> list[str]:
    return [_cell(name, getattr(line, name)) for name in fields]


def _cell(name: str, value: object) -> str:
    if value is None:
        return "-"
    if name.endswith("_share") or name == "coverage":
        return f"{float(str(value)):.1%}"
    return f"${value}" if name.endswith("_usd") else str(value)
