"""A vendor's cost export, CSV or JSON, as amounts by model and day. Pure.

Known shapes: OpenAI's dashboard CSV and `GET /v1/organization/costs`, Anthropic's console CSV and
`GET /v1/organizations/cost_report` (amounts in cents there), and any CSV with a day, a model and an amount
in USD, as Z.ai's bills have once their columns are named.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Literal, get_args

import msgspec

from gateway.errors import InvalidRequest

MOST_LINES = 200_000
MOST_DAYS = 100
_MOST_USD = Decimal(1_000_000_000)
_UNIX = re.compile(r"\d{9,11}")
_DATED = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2}|latest)$")
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)
OTHER = "other"
"""What no model is named for: searches, storage, credits."""

Role = Literal["day", "model", "amount", "currency"]
ROLES: tuple[Role, ...] = get_args(Role)
_COLUMNS: Mapping[Role, tuple[str, ...]] = {
    "day": ("usage_date_utc", "start_time_iso", "start_time", "date", "day", "billing_date", "bill_date"),
    "model": ("model", "line_item", "model_name", "model_code", "product"),
    "amount": ("cost_usd", "amount_value", "amount_usd", "amount", "cost", "total"),
    "currency": ("amount_currency", "currency"),
}
"""By role, the headings that vendors use; the first one present counts."""


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor charges: exact USD by day and model key; a credit is negative."""

    amounts: Mapping[tuple[date, str], Decimal]
    days: tuple[date, ...]


class _Amount(msgspec.Struct, frozen=True):
    value: Decimal
    currency: str = "usd"


class _Result(msgspec.Struct, frozen=True):
    amount: _Amount | str
    currency: str = "USD"
    model: str | None = None
    line_item: str | None = None
    description: str | None = None


class _Bucket(msgspec.Struct, frozen=True):
    results: list[_Result]
    start_time: int | None = None
    starting_at: str | None = None


class _CostReport(msgspec.Struct, frozen=True):
    data: list[_Bucket]
    has_more: bool = False


def model_key(name: str) -> str:
    """Return a vendor's name of a model in one spelling: `Claude Opus 4.1`, `claude-opus-4-1-20250805`."""
    plain = re.split(r",| usage\b", name.strip().lower(), maxsplit=1)[0].rpartition("/")[2]
    return _DATED.sub("", re.sub(r"[\s._]+", "-", plain.strip())) or OTHER


def read_invoice(body: bytes, columns: Mapping[Role, str]) -> Invoice:
    """Return the invoice in a cost export; raise InvalidRequest naming what is wrong with it, and the line.

    `columns` names the headings of a CSV that are not known by themselves.
    """
    lines = _from_json(body) if body.lstrip()[:1] == b"{" else _from_csv(body, columns)
    amounts: defaultdict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for number, (day, model, amount) in enumerate(lines, 1):
        if number > MOST_LINES:
            raise _bad(f"the invoice has more than {MOST_LINES} lines; send fewer days")
        amounts[day, model_key(model)] += amount
    days = tuple(sorted({day for day, _ in amounts}))
    if days and not _FIRST_DAY <= days[0] <= days[-1] <= _LAST_DAY:
        raise _bad(f"the invoice has a day before {_FIRST_DAY} or after {_LAST_DAY}")
    if not days:
        raise _bad("the invoice has no lines")
    if (days[-1] - days[0]).days >= MOST_DAYS:
        raise _bad(f"the invoice spans more than {MOST_DAYS} days; send fewer")
    return Invoice(amounts=amounts, days=days)


def _from_csv(body: bytes, columns: Mapping[Role, str]) -> Iterator[tuple[date, str, Decimal]]:
    try:
        reader = csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True)
        heading = [_heading(cell) for cell in next(reader, [])]
        places = {role: _place(role, heading, columns) for role in _COLUMNS}
        for row in filter(None, reader):
            where = f"line {reader.line_num}"
            cells = {role: _cell(row, place, where) for role, place in places.items()}
            _check_currency(cells["currency"] or "usd", where)
            yield _day(cells["day"], where), cells["model"] or OTHER, _amount(cells["amount"], where)
    except (UnicodeDecodeError, csv.Error) as error:
        raise _bad(f"the invoice is neither CSV nor JSON: {str(error)[:100]}") from None


def _from_json(body: bytes) -> Iterator[tuple[date, str, Decimal]]:
    try:
        report = msgspec.json.decode(body, type=_CostReport)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _bad(f"the invoice is not a cost report: {str(error)[:200]}") from None
    if report.has_more:
        raise _bad("the invoice is only one page of several; put the pages' `data` together")
    for n, bucket in enumerate(report.data):
        where = f"data[{n}]"
        day = _day(bucket.starting_at or str(bucket.start_time or ""), where)
        for result in bucket.results:
            model = result.model or result.line_item or result.description or OTHER
            if isinstance(result.amount, str):  # Anthropic's, in cents
                _check_currency(result.currency, where)
                yield day, model, _amount(result.amount, where) / 100
            else:
                _check_currency(result.amount.currency, where)
                yield day, model, _amount(str(result.amount.value), where)


def _heading(cell: str) -> str:
    return re.sub(r"[\s-]+", "_", cell.strip().lower())


def _place(role: Role, heading: Sequence[str], columns: Mapping[Role, str]) -> int | None:
    """Return the number of a role's column; a currency may go without saying."""
    asked = columns.get(role)
    names = _COLUMNS[role] if asked is None else (_heading(asked),)
    found = next((heading.index(name) for name in names if name in heading), None)
    if found is None and (role != "currency" or asked is not None):
        raise _bad(
            f"the invoice has no column for the {role}; name it with `{role}`, one of: "
            f"{', '.join(cell[:40] for cell in heading[:30])}",
        )
    return found


def _cell(row: Sequence[str], place: int | None, where: str) -> str:
    if place is None:
        return ""
    if place >= len(row):
        raise _bad(f"{where} of the invoice is too short")
    return row[place].strip()


def _check_currency(currency: str, where: str) -> None:
    if currency.lower() != "usd":
        raise _bad(f"{where} of the invoice is in `{currency[:20]}`; the books are in USD, convert it")


def _day(text: str, where: str) -> date:
    try:
        if _UNIX.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC).date()
        if len(text) == len("2026-01-31"):
            return date.fromisoformat(text)
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo is None else instant.astimezone(UTC)).date()
    except (ValueError, OverflowError):
        raise _bad(f"{where} of the invoice has no day: `{text[:40]}`; write 2026-01-31") from None


def _amount(text: str, where: str) -> Decimal:
    try:
        amount = Decimal(text.replace("$", "").strip()) if len(text) <= 40 else Decimal("NaN")  # noqa: PLR2004
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or abs(amount) > _MOST_USD:
        raise _bad(f"{where} of the invoice has no amount of USD: `{text[:40]}`")
    return amount


def _bad(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="invoice")
