from __future__ import annotations

import csv
import io

import msgspec
import pytest

from gateway.errors import InvalidRequest
from gateway.reports import Question, build_report, decode_report, page_of, parse_query, to_csv
from gateway.stores.base import ReportLine, ReportQuery

NOW = 1_790_000_000.0

LINE = ReportLine(
    group={"team": "a"},
    requests=4,
    failed=1,
    cancelled=1,
    interrupted=0,
    attempts=5,
    premium_requests=3,
    input_tokens=10,
    output_tokens=20,
    cache_read_tokens=0,
    cache_write_5m_tokens=0,
    cache_write_1h_tokens=0,
    reasoning_tokens=0,
    cost_nano=1_234_567_891,
    wasted_nano=1,
    cache_nano=-2,
    baseline_nano=1_000_000_000,
    compared_cost_nano=1_234_567_890,
    unpriced_baselines=1,
    estimated=0,
    estimated_nano=0,
    savings_squares=0.1,
)


def query(**params: str) -> ReportQuery:
    """Parse report parameters at a fixed instant."""
    return parse_query(msgspec.convert(params, Question), now=NOW, team_id=None, time_zone="UTC")


def test_days_are_whole_in_their_zone() -> None:
    """`until` as a day includes it; a day of the spring change has 23 hours."""
    asked = query(since="2026-03-29", until="2026-03-29", tz="Europe/Berlin")

    assert asked.until_ms - asked.since_ms == 23 * 3_600_000


def test_instants_are_taken_as_they_are() -> None:
    """An instant with its own offset keeps it."""
    asked = query(since="2026-01-01T00:00:00+00:00", until="2026-01-01T01:00:00+00:00", tz="Asia/Kolkata")

    assert asked.until_ms - asked.since_ms == 3_600_000


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"tz": "../../etc/passwd"}, "tz"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-02-30"}, "until"),
        ({"since": "2026-02-02", "until": "2026-02-01"}, "since"),
        ({"since": "0001-01-01", "until": "2026-02-01"}, "since"),
        ({"until": "9999-12-31"}, "until"),
        ({"group_by": "team,moon"}, "group_by"),
        ({"since": "1969-12-31", "until": "1970-01-02"}, "since"),
    ],
)
def test_bad_parameters_are_named(params: dict[str, str], param: str) -> None:
    """Every parameter that cannot be used is a 400 that names it."""
    with pytest.raises(InvalidRequest) as caught:
        query(**params)

    assert caught.value.param == param


def test_savings_are_signed_and_exact() -> None:
    """A loss is shown as a loss, to the last digit."""
    report = build_report("roi", query(group_by="team"), [LINE], LINE)

    assert report.total.savings_usd == "-0.234567890"
    assert (report.total.cost_usd, report.total.compared_cost_usd) == ("1.234567891", "1.234567890")
    assert report.total.coverage == 0.75


def test_report_survives_json() -> None:
    """What the API sends reads back as the same report."""
    for kind in ("costs", "roi"):
        report = build_report(kind, query(group_by="team"), [LINE], LINE)

        assert decode_report(msgspec.json.encode(report)) == report


def test_csv_defuses_formulas() -> None:
    """A team called like a formula does not become one in a spreadsheet."""
    line = msgspec.structs.replace(LINE, group={"team": "=cmd()"})
    rows = list(csv.reader(io.StringIO(to_csv(build_report("costs", query(group_by="team"), [line], line)))))

    assert rows[0][:2] == ["team", "requests"]
    assert rows[1][0] == "'=cmd()"


def test_pages_hold_every_line_once() -> None:
    """Page by page, each line comes once and in order, whatever the page's size."""
    lines = [msgspec.structs.replace(LINE, group={"team": f"t{n}", "day": "d"}) for n in range(7)]
    for limit in (1, 3, 7, 9):
        seen: list[ReportLine] = []
        page, asked = None, Question(limit=limit)
        while True:
            shown, page = page_of(lines, msgspec.structs.replace(asked, page=page))
            seen += shown
            if page is None:
                break
        assert seen == lines


@pytest.mark.parametrize("page", ["x", "e30", "W10", "\u00e9"])
def test_strange_page(page: str) -> None:
    """A page that was not given out is a 400."""
    with pytest.raises(InvalidRequest) as caught:
        page_of([LINE], Question(page=page))

    assert caught.value.param == "page"


def test_interval_narrows_with_agreement() -> None:
    """Savings that are all alike have no spread; few requests have no interval."""
    alike = msgspec.structs.replace(
        LINE, requests=100, unpriced_baselines=0, baseline_nano=200 * 10**9, compared_cost_nano=10**11,
        savings_squares=100.0,
    )  # fmt: skip
    spread = msgspec.structs.replace(alike, savings_squares=200.0)
    totals = [build_report("roi", query(), [], line).total for line in (alike, spread, LINE)]
    assert [(t.savings_low_usd, t.savings_high_usd) for t in totals] == [  # type: ignore[union-attr]
        ("100.000000", "100.000000"), ("80.301621", "119.698379"), (None, None),
    ]  # fmt: skip
