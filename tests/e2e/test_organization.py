from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from decimal import Decimal
from random import Random

import msgspec
import pytest
from admin_calls import Admin
from openai import AsyncOpenAI
from openai.types.admin.organization.usage_completions_response import (
    DataResultOrganizationUsageCompletionsResult as Usage,
)
from row_samples import request_row
from running_gateway import GLM, MASTER_KEY, ROUTINE, Running

from gateway.stores.base import RequestRow
from policies.pricing import NANO_PER_USD

DAY, HOUR = 86_400, 3_600
START = 1_767_225_600
"""Midnight of a day in UTC."""
COSTS, USAGE = "/v1/organization/costs", "/v1/organization/usage/completions"
REQUEST = request_row(id="req_0", at_ms=START * 1000, team_id="team_a", key_id="key_a")


def book(gateway: Running, count: int = 60) -> list[RequestRow]:
    """Book requests of three days, two teams, three keys and two models, with awkward amounts."""
    random = Random(7)  # noqa: S311
    rows = [
        msgspec.structs.replace(
            REQUEST,
            id=f"req_{number}",
            at_ms=START * 1000 + random.randrange(3 * DAY * 1000),
            team_id=random.choice(("team_a", "team_b")),
            key_id=random.choice(("key_a", "key_b", "key_c")),
            model=random.choice(("glm-4.5", "claude-opus-4-1")),
            input_tokens=random.randrange(10**6),
            output_tokens=random.randrange(10**6),
            cache_read_tokens=random.randrange(10**6),
            cache_write_5m_tokens=random.randrange(1000),
            cache_write_1h_tokens=random.randrange(1000),
            cost_nano=random.randrange(10**14),
        )
        for number in range(count)
    ]
    gateway.wiring.books.append(*rows)
    return rows


def finance(gateway: Running, key: str = MASTER_KEY) -> AsyncOpenAI:
    """Return the official client with an admin key."""
    client = gateway.client(key)
    client.admin_api_key = key
    return client


async def walk(admin: Admin, path: str) -> Iterator[dict[str, object]]:
    """Return the buckets of all pages; numbers with a point are read as Decimal."""
    buckets, page = [], ""
    while True:
        told = json.loads((await admin.call("GET", path + page)).text, parse_float=Decimal)
        buckets += told["data"]
        if not told["has_more"]:
            assert told["next_page"] is None
            return iter(buckets)
        page = f"&page={told['next_page']}"


def total(buckets: Iterator[dict[str, object]]) -> Decimal:
    """Return the sum of all amounts."""
    results = [result for bucket in buckets for result in bucket["results"]]  # type: ignore[attr-defined]
    assert {result["amount"]["currency"] for result in results} == {"usd"}
    return sum((Decimal(result["amount"]["value"]) for result in results), Decimal())


@pytest.mark.parametrize("limit", [1, 2, 7])
@pytest.mark.parametrize(
    "groups", ["", "&group_by=project_id", "&group_by[]=line_item&group_by[]=api_key_id"]
)
async def test_costs_equal_the_rows(gateway: Running, limit: int, groups: str) -> None:
    """Whatever the pages and groups, the amounts add up to the ledger to the last digit."""
    rows = book(gateway)
    path = f"{COSTS}?start_time={START}&end_time={START + 4 * DAY}&limit={limit}{groups}"
    buckets = list(await walk(Admin(gateway), path))
    assert total(iter(buckets)) * NANO_PER_USD == sum(row.cost_nano for row in rows)
    edges = [(bucket["start_time"], bucket["end_time"]) for bucket in buckets]
    assert edges == [(START + day * DAY, START + (day + 1) * DAY) for day in range(4)]
    assert buckets[3]["results"] == []


async def test_digits_survive(gateway: Running) -> None:
    """An amount no binary fraction can hold is written out as a JSON number."""
    gateway.wiring.books.append(msgspec.structs.replace(REQUEST, cost_nano=123_456_789_012_345))
    told = await Admin(gateway).call("GET", f"{COSTS}?start_time={START}&limit=1")
    assert '"amount":{"value":123456.789012345,"currency":"usd"}' in told.text


async def test_official_client_reads_costs(gateway: Running) -> None:
    """OpenAI's own client reads projects, keys and line items."""
    rows = book(gateway)
    answer = await finance(gateway).admin.organization.usage.costs(
        start_time=START,
        end_time=START + 3 * DAY,
        group_by=["project_id", "line_item", "api_key_id"],
        project_ids=["team_a"],
        api_key_ids=["key_a", "key_b"],
    )
    chosen = [row for row in rows if row.team_id == "team_a" and row.key_id != "key_c"]
    results = [result for bucket in answer.data for result in bucket.results]
    assert (answer.object, answer.has_more, {bucket.object for bucket in answer.data}) == (
        "page",
        False,
        {"bucket"},
    )
    assert {r.object for r in results} == {"organization.costs.result"}
    assert {(r.project_id, r.api_key_id, r.line_item) for r in results} == {  # type: ignore[union-attr]
        (row.team_id, row.key_id, row.model) for row in chosen
    }
    tokens = sum(
        row.input_tokens + row.output_tokens + row.cache_read_tokens
        + row.cache_write_5m_tokens + row.cache_write_1h_tokens
        for row in chosen
    )  # fmt: skip
    assert sum(r.quantity for r in results) == tokens  # type: ignore[union-attr,misc]


@pytest.mark.parametrize(("width", "seconds"), [("1m", 60), ("1h", HOUR), ("1d", DAY)])
async def test_official_client_reads_usage(gateway: Running, width: str, seconds: int) -> None:
    """Usage by minute, hour and day counts the tokens and requests of the rows that fall into the span."""
    rows, client, results, page = book(gateway), finance(gateway), [], ""
    while True:
        answer = await client.admin.organization.usage.completions(
            start_time=START + 7,
            end_time=START + 2 * DAY + 11,
            bucket_width=width,  # type: ignore[arg-type]
            models=["glm-4.5"],
            group_by=["model"],
            limit={60: 1440, HOUR: 168, DAY: 31}[seconds],
            **({"page": page} if page else {}),  # type: ignore[arg-type]
        )
        for bucket in answer.data:
            assert bucket.start_time // seconds == (bucket.end_time - 1) // seconds
            results += [result for result in bucket.results if isinstance(result, Usage)]
        page = answer.next_page or ""
        if not answer.has_more:
            break
    chosen = [
        row for row in rows if row.model == "glm-4.5" and START + 7 <= row.at_ms / 1000 < START + 2 * DAY + 11
    ]
    assert sum(r.num_model_requests for r in results) == len(chosen)
    assert sum(r.output_tokens for r in results) == sum(row.output_tokens for row in chosen)
    assert sum(r.input_cached_tokens or 0 for r in results) == sum(row.cache_read_tokens for row in chosen)
    assert sum(r.input_tokens for r in results) == sum(
        row.input_tokens + row.cache_read_tokens + row.cache_write_5m_tokens + row.cache_write_1h_tokens
        for row in chosen
    )
    assert {result.model for result in results} == {"glm-4.5"}


async def test_real_request_is_counted(gateway: Running, client: AsyncOpenAI) -> None:
    """What was just served is in the report, without saying until when."""
    await client.chat.completions.create(model="glm-4.5", messages=[{"role": "user", "content": ROUTINE}])
    (row,) = await gateway.rows()
    since = int(str(row["at_ms"])) // 1000 - DAY
    costs = await walk(Admin(gateway), f"{COSTS}?start_time={since}")
    assert total(costs) * NANO_PER_USD == row["cost_nano"]
    assert gateway.vendors.calls[0].model == GLM


async def test_other_teams_stay_hidden(gateway: Running) -> None:
    """A key sees its own team only, whatever it asks for; a key that is an admin's sees all."""
    admin, book_ = Admin(gateway), book(gateway)
    red = await admin.team_id("red")
    own = msgspec.structs.replace(REQUEST, id="req_own", team_id=red, cost_nano=3_000_000_001)
    gateway.wiring.books.append(own)
    reader = Admin(gateway, await gateway.key(scopes=("reports",)))
    overseer = Admin(gateway, MASTER_KEY)
    path = f"{COSTS}?start_time={START}&group_by=project_id"
    assert total(await walk(reader, path)) == Decimal("3.000000001")
    assert [
        b["results"] for b in await walk(reader, f"{path}&end_time={START + DAY}&project_ids=team_a")
    ] == [[]]
    everything = sum(row.cost_nano for row in book_) + own.cost_nano
    assert total(await walk(overseer, path + "&limit=180")) * NANO_PER_USD == everything
    assert (await Admin(gateway, await gateway.key(scopes=("inference",))).call("GET", path)).status == 403


PAGE = (
    "page_"
    + urlsafe_b64encode((START + DAY).to_bytes(8, "big") + (START + 9 * DAY).to_bytes(8, "big")).decode()
)


BAD = [
    (COSTS, "start_time"),
    (f"{COSTS}?start_time=-1", "start_time"),
    (f"{COSTS}?start_time=yesterday", "start_time"),
    (f"{COSTS}?start_time=1e30", "start_time"),
    (f"{COSTS}?start_time=NaN", "start_time"),
    (f"{COSTS}?start_time={START}&start_time=1", "start_time"),
    (f"{COSTS}?start_time={START}&end_time={START}", "end_time"),
    (f"{COSTS}?start_time={START}&bucket_width=1h", "bucket_width"),
    (f"{COSTS}?start_time={START}&limit=181", "limit"),
    (f"{COSTS}?start_time={START}&limit=0", "limit"),
    (f"{COSTS}?start_time={START}&group_by=model", "group_by[0]"),
    (f"{COSTS}?start_time={START}&models=glm-4.5", "models"),
    (f"{COSTS}?start_time={START}&project_ids=", "project_ids[0]"),
    (f"{COSTS}?start_time={START}{'&project_ids=x' * 101}", "project_ids"),
    (f"{COSTS}?start_time={START}&page=next", "page"),
    (f"{COSTS}?start_time={START}&page=page_%00", "page"),
    (f"{COSTS}?start_time={START}&end_time={START + 3 * DAY}&page={PAGE.rstrip('=')}", "page"),
    (f"{COSTS}?start_time={START + 2 * DAY}&page={PAGE.rstrip('=')}", "page"),
    (f"{USAGE}?start_time={START}&limit=32", "limit"),
    (f"{USAGE}?start_time={START}&bucket_width=1h&limit=169", "limit"),
    (f"{USAGE}?start_time={START}&bucket_width=1m&limit=1441", "limit"),
    (f"{USAGE}?start_time={START}&bucket_width=1y", "bucket_width"),
    (f"{USAGE}?start_time={START}&group_by=user_id", "group_by[0]"),
    (f"{USAGE}?start_time={START}&start_tim=1", "start_tim"),
]


async def test_bad_questions(gateway: Running) -> None:
    """What cannot be answered as asked is refused by its name, not answered as something else."""
    for path, param in BAD:
        told = await Admin(gateway).call("GET", path)
        assert (path, told.status, told.param) == (path, 400, param)


async def test_future_is_empty(gateway: Running) -> None:
    """A start that has not come yet has no buckets, and no page after it."""
    told = await Admin(gateway).call("GET", f"{COSTS}?start_time=250000000000")
    assert (told.status, told.json["data"], told.json["has_more"]) == (200, [], False)
