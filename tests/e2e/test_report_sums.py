from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from decimal import Decimal

from running_gateway import CRITICAL, GLM, MASTER_KEY, ROUTINE, Running

from gateway.upstreams.scripted import Scenario


async def test_report_is_the_sum_of_the_headers(gateway: Running) -> None:
    """Costs by team equal, to the last digit, what the answers' headers said; CSV says the same."""
    expected: dict[str, Decimal] = defaultdict(Decimal)
    for team in ("red", "blue"):
        key = await gateway.key(team)
        for n, text in enumerate((ROUTINE, CRITICAL, ROUTINE + " and these")):
            gateway.vendors.script(GLM, Scenario(status=503) if n == 2 else Scenario())
            body = {"model": "auto", "messages": [{"role": "user", "content": text * (n + 1)}]}
            _, headers, _ = await gateway.post(key, body)
            expected[team] += Decimal(headers["x-gateway-cost-usd"])
    _, _, raw = await gateway.get(MASTER_KEY, "/v1/reports/costs?group_by=team")
    _, _, table = await gateway.get(MASTER_KEY, "/v1/reports/costs?group_by=team&format=csv")
    report = json.loads(raw)
    teams = {team.id: team.name for team in await gateway.wiring.directory.list_teams()}
    told = {
        teams.get(line["group"]["team"], line["group"]["team"]): Decimal(line["cost_usd"])
        for line in report["lines"]
    }
    assert told == expected
    assert Decimal(report["total"]["cost_usd"]) == sum(expected.values())
    lines = list(csv.DictReader(io.StringIO(table.decode())))
    assert sum(Decimal(line["cost_usd"]) for line in lines) == sum(expected.values())


async def test_savings_are_signed(gateway: Running, key: str) -> None:
    """ROI adds up the savings the headers told, wasted attempts included."""
    told = Decimal(0)
    for text, fault in ((ROUTINE, 0), (CRITICAL, 0), (ROUTINE, 1)):
        gateway.vendors.script(GLM, Scenario(error_after_events=0, code="500") if fault else Scenario())
        body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
        _, headers, _ = await gateway.post(key, body)
        told += Decimal(headers["x-gateway-savings-usd"])
    _, _, raw = await gateway.get(key, "/v1/reports/roi")
    total = json.loads(raw)["total"]
    assert Decimal(total["savings_usd"]) == told
    assert (total["requests"], total["coverage"]) == (3, 1.0)


async def test_team_sees_only_itself(gateway: Running, key: str) -> None:
    """A team's report holds its own requests, whatever team it asks for."""
    body = {"model": "auto", "messages": [{"role": "user", "content": ROUTINE}]}
    await gateway.post(key, body)
    blue = await gateway.key("blue")
    for path in ("/v1/reports/costs", "/v1/reports/costs?team=red"):
        _, _, raw = await gateway.get(blue, path)
        assert json.loads(raw)["total"]["requests"] == 0


async def test_bad_report_questions(gateway: Running, key: str) -> None:
    """A question that is not understood is refused by the parameter's name."""
    for name, value in (
        ("group_by", "moon"),
        ("since", "yesterday"),
        ("tz", "Mars/Base"),
        ("format", "pdf"),
        ("granularity", "1d"),
    ):
        status, _, raw = await gateway.get(key, f"/v1/reports/costs?{name}={value}")
        assert (status, json.loads(raw)["error"]["param"]) == (400, name)
