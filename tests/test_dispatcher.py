from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from exchange_samples import GLM, NOW, OPUS, ListBooks, make_account, make_exchange, make_reach

from gateway.clock import FixedClock
from gateway.dispatcher import Delivery, Dispatcher
from gateway.errors import AllAttemptsFailed, BudgetExceeded, GatewayError, UpstreamError, UpstreamRateLimited
from gateway.exchange import Call, Exchange, TransportFailure
from gateway.fleet import Reach
from gateway.lanes import Routes
from gateway.ledger import Account
from gateway.taking_turns import OTHERS
from gateway.wire import Bridges
from policies.verdicts import Outcome

GOOD = (
    b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,'
    b'"completion_tokens":2,"total_tokens":7}}'
)
ROLE = b'data: {"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
WORD = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"word"}}]}\n\n'


@dataclass(slots=True)
class Canned:
    """A reply that is known beforehand; an exception among its parts is raised there."""

    status: int = 200
    parts: Sequence[bytes | BaseException] = (GOOD,)
    headers: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    closed: int = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the parts."""
        for part in self.parts:
            if isinstance(part, BaseException):
                raise part
            yield part

    async def read(self, limit: int) -> bytes:
        """Return the whole body."""
        return b"".join([part async for part in self])[:limit]

    async def close(self) -> None:
        """Count."""
        self.closed += 1


@dataclass(slots=True)
class Line:
    """An upstream that answers call by call from a list, and a clock that moves when it is told to wait."""

    replies: list[Canned | BaseException]
    calls: list[Call] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    seen: list[Outcome] = field(default_factory=list)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))

    async def send(self, call: Call) -> Canned:
        """Return or raise the next of the list."""
        self.calls.append(call)
        reply = self.replies[len(self.calls) - 1]
        if isinstance(reply, BaseException):
            raise reply
        return reply

    async def close(self) -> None:
        """Nothing is held."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.clock.advance(seconds)

    def observe(self, exchange: Exchange, outcome: Outcome) -> None:
        """Note an outcome."""
        del exchange
        self.seen.append(outcome)


def make_dispatcher(line: Line, reach: Reach) -> Dispatcher:
    """Return a dispatcher that calls the line."""
    routes = Routes(endpoints=reach.endpoints, upstreams={"http": line}, bridges=Bridges(line.clock.now))
    return Dispatcher(
        routes=routes, clock=line.clock, max_answer_bytes=10_000, observe=line.observe, sleep=line.sleep
    )


async def run(
    line: Line, *, retries: int = 0, limit_nano: int | None = None, **body: object
) -> tuple[Delivery | GatewayError, Account]:
    """Run the plan of one exchange against the line; return what came of it and the account."""
    reach = make_reach(router_settings={"num_retries": retries, "timeout": 20})
    model = str(body.pop("model", "auto"))
    exchange = make_exchange(reach=reach, model=model, body=body)
    account = make_account(exchange, ListBooks(), limit_nano=limit_nano)
    try:
        return await make_dispatcher(line, reach).run(exchange, account), account
    except GatewayError as error:
        return error, account


async def test_first_good_answer() -> None:
    """A good answer is delivered after one call and its connection is let go."""
    reply = Canned()
    line = Line([reply])
    delivery, account = await run(line)
    assert isinstance(delivery, Delivery)
    assert delivery.answer is not None
    assert (len(line.calls), reply.closed, account.attempts) == (1, 1, [])


async def test_retry_after_is_waited_out() -> None:
    """The vendor's own wait is kept to the second, then the same deployment is tried again."""
    line = Line([Canned(429, (b"{}",), {"retry-after": "7"}), Canned()])
    delivery, account = await run(line, retries=1, model=GLM)
    assert isinstance(delivery, Delivery)
    assert line.slept == [7.0]
    assert [row.outcome for row in account.attempts] == ["rate_limited"]


async def test_wait_beyond_patience() -> None:
    """A wait that is too long is told to the caller instead of being undercut."""
    line = Line([Canned(429, (b"{}",), {"retry-after": "34"})])
    error, _ = await run(line, retries=2, model=GLM)
    assert isinstance(error, UpstreamRateLimited)
    assert (error.retry_after_s, line.slept, len(line.calls)) == (34.0, [], 1)


async def test_later_attempts_get_what_is_left() -> None:
    """All attempts share one deadline."""
    line = Line([Canned(503, (b"",), {"retry-after": "6"}), Canned()])
    await run(line, retries=1, model=GLM)
    assert [call.timeouts.total_s for call in line.calls] == [20.0, 14.0]


async def test_different_failures() -> None:
    """When vendors fail in different ways the caller learns of each."""
    line = Line([Canned(500, (b"",)), TransportFailure("timeout", "first byte")])
    error, account = await run(line)
    assert isinstance(error, AllAttemptsFailed)
    assert f"{GLM} had an internal error; {OPUS} did not answer in time" in error.message
    assert [row.outcome for row in account.attempts] == ["server_error", "timeout"]


@pytest.mark.parametrize("status", [400, 401, 403, 500])
async def test_vendor_repeats_our_key(status: int) -> None:
    """Our key in a vendor's complaint reaches neither the caller nor the log."""
    told = b'{"error":{"message":"key zv-secret-1234 is wrong","code":"x"}}'
    line = Line([Canned(status, (told,))])
    error, _ = await run(line, model=GLM)
    assert isinstance(error, GatewayError)
    assert "zv-secret" not in f"{error.message} {error.detail} {line.seen}"
    assert "[redacted]" in line.seen[0].message


@pytest.mark.parametrize("stream", [False, True])
async def test_failures_let_the_connection_go(*, stream: bool) -> None:
    """Every reply that is not delivered is closed, however it failed."""
    bad = [
        Canned(500, (b"",)),
        Canned(parts=(b"<html>",)),
        Canned(parts=(ROLE, TransportFailure("cut_off", "gone"))),
    ]
    for reply in bad:
        await run(Line([reply, Canned(503, (b"",))]), stream=stream)
    assert [reply.closed for reply in bad] == [1, 1, 1]


async def test_early_failure_of_a_stream_falls_back() -> None:
    """A stream that breaks before its first word is replaced; nothing of it is shown."""
    broken = Canned(parts=(ROLE, b'data: {"error":{"code":"500","message":"no"}}\n\n'))
    line = Line([broken, Canned(503, (b"",))])
    error, account = await run(line, stream=True)
    assert isinstance(error, UpstreamError)
    assert [row.outcome for row in account.attempts] == ["server_error", "overloaded"]
    assert [row.delivered for row in account.attempts] == [False, False]


async def test_good_stream_stays_open() -> None:
    """A stream is handed over with its first words in hand and its connection open."""
    reply = Canned(parts=(ROLE, WORD, WORD))
    delivery, _ = await run(Line([reply]), stream=True)
    assert isinstance(delivery, Delivery)
    assert b"word" in delivery.head
    assert reply.closed == 0


@pytest.mark.parametrize(
    ("error", "outcome"), [(asyncio.CancelledError(), "cancelled"), (ZeroDivisionError(), "garbled")]
)
async def test_what_was_called_is_booked(error: BaseException, outcome: str) -> None:
    """A client that leaves, or a defect of ours, books the call as an estimate and lets the vendor go."""
    reply = Canned(parts=(error,))
    exchange = make_exchange(model=GLM)
    account = make_account(exchange, ListBooks())
    dispatcher = make_dispatcher(Line([reply]), make_reach())
    with pytest.raises(type(error)):
        await dispatcher.run(exchange, account)
    (row,) = account.attempts
    assert (row.outcome, row.estimated, reply.closed) == (outcome, True, 1)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("pauses", "opened", "called", "booked"),
    [(1, False, 0, []), (2, True, 0, []), (3, True, 1, [("cancelled", 5, 2)])],
)
async def test_client_leaves_between_stages(
    pauses: int, booked: list[tuple[str, int, int]], *, opened: bool, called: int, stream: bool
) -> None:
    """A request lets others through before its hold, before its call, and once its answer has been read."""
    said = b"data: " + GOOD.replace(b"message", b"delta") + b"\n\n"
    reply = Canned(parts=(said if stream else GOOD,))
    exchange, line = make_exchange(model=GLM, body={"stream": stream}), Line([reply])
    account = make_account(exchange, ListBooks())
    running = make_dispatcher(line, make_reach()).run(exchange, account).__await__()
    other = OTHERS.meet()
    other.send(None)
    for _ in range(pauses):
        next(running)
    with pytest.raises(asyncio.CancelledError):
        running.throw(asyncio.CancelledError())
    other.close()
    assert (account.opened, len(line.calls), reply.closed) == (opened, called, called)
    assert [(row.outcome, row.input_tokens, row.output_tokens) for row in account.attempts] == booked


@pytest.mark.parametrize("stream", [False, True])
async def test_failure_is_booked_at_once(*, stream: bool) -> None:
    """A client that leaves cannot turn a failure that costs nothing, and tells of its vendor, into an estimate."""
    told = b'{"error":{"code":"500","message":"no"}}'
    line = Line([Canned(parts=(b"data: " + told + b"\n\n" if stream else told,))])
    reach = make_reach(router_settings={"num_retries": 0})
    exchange = make_exchange(reach=reach, model=GLM, body={"stream": stream})
    account = make_account(exchange, ListBooks())
    running = make_dispatcher(line, reach).run(exchange, account).__await__()
    with pytest.raises(UpstreamError):
        next(running)
    assert [(row.outcome, row.cost_nano) for row in account.attempts] == [("server_error", 0)]
    assert [outcome.kind for outcome in line.seen] == ["server_error"]


async def test_no_budget_no_call() -> None:
    """Without room for the worst case nobody is called."""
    line = Line([])
    error, account = await run(line, limit_nano=1)
    assert isinstance(error, BudgetExceeded)
    assert (line.calls, account.opened) == ([], False)


async def test_alone_nobody_is_waited_for() -> None:
    """A request that met no other pauses once more only, for those whose answers may come with its own."""
    exchange, line = make_exchange(model=GLM), Line([Canned()])
    running = (
        make_dispatcher(line, make_reach()).run(exchange, make_account(exchange, ListBooks())).__await__()
    )
    next(running)
    assert len(line.calls) == 1
    with pytest.raises(StopIteration):
        next(running)
