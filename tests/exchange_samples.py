"""A small exchange as the pipeline makes it, and a ledger around it that keeps rows in a list."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from gateway.clock import FixedClock
from gateway.exchange import Exchange, Principal
from gateway.features import Reader, extract
from gateway.fleet import Reach, build_reach
from gateway.ledger import Account, Ledger
from gateway.settings import Settings
from gateway.stores.base import AnyRow, BudgetRow, DecisionRow
from gateway.stores.memory import MemoryState
from gateway.wire.openai_chat import OpenAIChat
from policies.engine import decide
from policies.envelope import Envelopes
from policies.facts import Rights, Snapshot
from policies.pack import Library, PackText, load_pack
from policies.prices import load_prices

NOW = 1_790_000_000.0
GLM, OPUS = "glm-4.5", "claude-opus-4-1"
PRICES = """\
currency: USD
models:
  zai/glm-4.5:
    {context_window: 131072, max_output_tokens: 1000, prices: [{since: 2025-07-28, input: "0.6", output: "2.2"}]}
  anthropic/claude-opus-4-1:
    context_window: 200000
    max_output_tokens: 1000
    prices: [{since: 2025-08-05, input: "15", output: "75", cache_read: "1.5", cache_write_5m: "18.75"}]
"""
PACK = "pack: plain\neconomy: {enabled: false}\n"
MODELS = [
    {"model_name": GLM, "litellm_params": {"model": "zai/glm-4.5", "api_key": "zv-secret-1234"}},
    {
        "model_name": OPUS,
        "litellm_params": {"model": "anthropic/claude-opus-4-1", "api_key": "ov-secret-5678"},
    },
]
PRINCIPAL = Principal(key_id="k", key_name="k", team_id="t", team_name="red", scopes=frozenset({"inference"}))


def make_reach(**settings: object) -> Reach:
    """Return the two models with the retry rules of `router_settings`."""
    given = {"model_list": MODELS, "tiers": {"base": [GLM], "premium": [OPUS]}, **settings}
    return build_reach(Settings.model_validate(given), load_prices(PRICES))


def make_exchange(
    *,
    reach: Reach | None = None,
    model: str = "auto",
    principal: Principal = PRINCIPAL,
    body: Mapping[str, object] | None = None,
) -> Exchange:
    """Return a decided exchange of one short question."""
    fleet = (reach or make_reach()).fleet
    library = Library(envelopes=Envelopes.compile({"clients": []}), detector=None)
    policy = load_pack([PackText("plain.yaml", PACK)], library=library, fleet=fleet)
    asked = {"model": model, "messages": [{"role": "user", "content": "sort these lines"}], **(body or {})}
    codec, reader = OpenAIChat(), Reader(fleet=fleet, envelopes=policy.envelopes, aliases={})
    request = codec.parse_request(json.dumps(asked).encode())
    facts = extract(request, {}, principal, codec, reader)
    snapshot = Snapshot(now=NOW, rights=Rights(team=principal.team_name))
    return Exchange(
        id="req_1",
        principal=principal,
        request=request,
        features=facts,
        snapshot=snapshot,
        policy=policy,
        decision=decide(facts, snapshot, policy),
        started_s=NOW,
        started_monotonic_s=NOW,
    )


class ListBooks:
    """Books that keep what is appended in a list, or refuse it."""

    def __init__(self) -> None:
        self.rows: list[AnyRow] = []
        self.refusal: Exception | None = None

    def append(self, *rows: AnyRow) -> None:
        """Keep the rows."""
        if self.refusal:
            raise self.refusal
        self.rows.extend(rows)


async def nothing_spent(
    _scope: str, _since_ms: int, _request_ids: Sequence[str]
) -> tuple[int, frozenset[str]]:
    """Return what a new team has spent."""
    return 0, frozenset()


def make_account(exchange: Exchange, books: ListBooks, *, limit_nano: int | None = None) -> Account:
    """Return the exchange's account, with a monthly budget of the team if a limit is given."""
    ledger = Ledger(books=books, state=MemoryState(seed=nothing_spent), clock=FixedClock(NOW))
    budget = BudgetRow(id="b", scope="team:t", limit_nano=limit_nano or 0, period="1mo")
    row = DecisionRow(id="dec_1", request_id=exchange.id, at_ms=0, team_id="t", record=b"{}")
    return ledger.account(exchange, () if limit_nano is None else (budget,), row)


def with_baseline(baseline: str) -> Principal:
    """Return the principal of a team with this baseline."""
    return replace(PRINCIPAL, baseline=baseline)
