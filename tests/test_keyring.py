from __future__ import annotations

import asyncio

import msgspec
import pytest

from gateway.clock import FixedClock
from gateway.credentials import hash_key, mint
from gateway.errors import StoreUnavailable, Unauthenticated
from gateway.keyring import ADMIN, MAX_CACHED, KeyRing, Trust
from gateway.stores.base import KeyGrant, KeyRow, TeamRow

PEPPER, MASTER, GOOD = b"pepper", "sk-gw-master-key", mint()
GRANT = KeyGrant(
    key=KeyRow(id="k1", name="ci", team_id="t1", last4="abcd", created_ms=0, allowed_models=("glm-4.5",)),
    team=TeamRow(id="t1", name="red", created_ms=0, time_zone="Asia/Tokyo"),
)


class Grants:
    """Books of which only the keys are read; counts the reads."""

    def __init__(self) -> None:
        self.by_hash = {hash_key(GOOD, PEPPER): GRANT}
        self.reads = 0
        self.away = False

    async def find_grant(self, key_hash: str, now_ms: int) -> KeyGrant | None:
        """Return a grant."""
        assert now_ms > 0
        self.reads += 1
        if self.away:
            raise StoreUnavailable("away")
        return self.by_hash.get(key_hash)


@pytest.fixture
def grants() -> Grants:
    """Give books with one key."""
    return Grants()


@pytest.fixture
def clock() -> FixedClock:
    """Give a clock that stands still."""
    return FixedClock()


@pytest.fixture
def ring(grants: Grants, clock: FixedClock) -> KeyRing:
    """Give a key ring that trusts an answer for five seconds, and for a minute more without the books."""
    return KeyRing(
        books=grants,  # type: ignore[arg-type]
        pepper=PEPPER,
        master_key=MASTER,
        clock=clock,
        trust=Trust(fresh_s=5, stale_s=60),
    )


async def test_known_key(ring: KeyRing) -> None:
    """A key stands for its team, with the rights of both."""
    principal = (await ring.caller(GOOD)).principal
    assert (principal.team_name, principal.key_id, principal.time_zone) == ("red", "k1", "Asia/Tokyo")
    assert principal.allowed_models == {"glm-4.5"}


async def test_master_key(ring: KeyRing, grants: Grants) -> None:
    """The master key is the administrator and needs no books."""
    assert await ring.caller(MASTER) is ADMIN
    assert grants.reads == 0


@pytest.mark.parametrize(
    "secret",
    [None, "", mint(), "k" * 513, "clé", GOOD + " ", MASTER + "x"],
    ids=["none", "empty", "unknown", "too long", "not ascii", "good and a space", "master and more"],
)
async def test_refusals(ring: KeyRing, secret: str | None) -> None:
    """Everything else is refused in the same words."""
    with pytest.raises(Unauthenticated, match=r"^incorrect API key provided"):
        await ring.caller(secret)


async def test_change_here_is_seen_at_once(ring: KeyRing, grants: Grants) -> None:
    """After a change made in this process nothing read before it is trusted."""
    await ring.caller(GOOD)
    grants.by_hash.clear()
    ring.forget()

    with pytest.raises(Unauthenticated):
        await ring.caller(GOOD)


async def test_change_during_a_read_is_not_lost(ring: KeyRing, grants: Grants) -> None:
    """A key read while it was being revoked is not trusted afterwards."""
    find = grants.find_grant

    async def find_then_change(key_hash: str, now_ms: int) -> KeyGrant | None:
        found = await find(key_hash, now_ms)
        ring.forget()
        return found

    grants.find_grant = find_then_change  # type: ignore[method-assign]
    await ring.caller(GOOD)
    await ring.caller(GOOD)
    assert grants.reads == 2


async def test_trust_ends(ring: KeyRing, grants: Grants, clock: FixedClock) -> None:
    """A revoked key works until the trust in the last answer ends, and no longer."""
    await ring.caller(GOOD)
    grants.by_hash.clear()
    clock.advance(4.9)
    await ring.caller(GOOD)
    clock.advance(0.2)
    with pytest.raises(Unauthenticated):
        await ring.caller(GOOD)


async def test_refusal_is_remembered_as_briefly(ring: KeyRing, grants: Grants, clock: FixedClock) -> None:
    """A key made after it was refused works once the refusal is forgotten."""
    late = mint()
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await ring.caller(late)
    assert grants.reads == 1
    grants.by_hash[hash_key(late, PEPPER)] = GRANT
    clock.advance(5)
    assert (await ring.caller(late)).principal.key_id == "k1"


async def test_memory_is_bounded(ring: KeyRing) -> None:
    """Guessing keys does not fill the memory."""
    for n in range(MAX_CACHED + 100):
        with pytest.raises(Unauthenticated):
            await ring.caller(f"guess-{n}")
    assert len(ring._cache) == MAX_CACHED


async def test_known_key_outlasts_an_outage(ring: KeyRing, grants: Grants, clock: FixedClock) -> None:
    """Without the books a known key is good for a bounded time, and is read again when they are back."""
    await ring.caller(GOOD)
    grants.away = True
    clock.advance(64.9)
    await ring.caller(GOOD)
    clock.advance(0.2)
    with pytest.raises(StoreUnavailable):
        await ring.caller(GOOD)
    grants.away = False
    assert (await ring.caller(GOOD)).principal.key_id == "k1"


async def test_outage_vouches_for_nobody_new(ring: KeyRing, grants: Grants, clock: FixedClock) -> None:
    """A key that was refused, or never seen, is not let in because the books are away."""
    await ring.caller(GOOD)
    grants.by_hash.clear()
    clock.advance(6)
    with pytest.raises(Unauthenticated):
        await ring.caller(GOOD)
    grants.away = True
    clock.advance(6)
    for secret in (GOOD, mint()):
        with pytest.raises(StoreUnavailable):
            await ring.caller(secret)


@pytest.mark.parametrize("during", [False, True], ids=["before", "while it is looked up"])
async def test_revoked_here_stays_revoked(
    ring: KeyRing,
    grants: Grants,
    clock: FixedClock,
    during: bool,  # noqa: FBT001
) -> None:
    """What was known before a change in this process does not come back when the books go away."""
    await ring.caller(GOOD)
    clock.advance(6)

    async def change_then_fail(key_hash: str, now_ms: int) -> KeyGrant | None:
        del key_hash, now_ms
        ring.forget()
        raise StoreUnavailable("away")

    if during:
        grants.find_grant = change_then_fail  # type: ignore[method-assign]
    else:
        ring.forget()
        grants.away = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await ring.caller(GOOD)


async def test_key_ends_on_time(ring: KeyRing, grants: Grants, clock: FixedClock) -> None:
    """No trust reaches beyond the end of the key itself, or of the former secret it was found by."""
    until_ms = int(clock.now() * 1000) + 3000
    grants.by_hash = {hash_key(GOOD, PEPPER): msgspec.structs.replace(GRANT, until_ms=until_ms)}
    await ring.caller(GOOD)
    grants.away = True
    clock.advance(2.9)
    await ring.caller(GOOD)
    clock.advance(0.2)
    with pytest.raises(StoreUnavailable):
        await ring.caller(GOOD)


async def test_books_away_are_left_alone(ring: KeyRing, grants: Grants, clock: FixedClock) -> None:
    """During an outage the books are asked once a second, not by every request."""
    await ring.caller(GOOD)
    grants.away = True
    clock.advance(6)
    for _ in range(100):
        await ring.caller(GOOD)
    assert grants.reads == 2
    clock.advance(1.1)
    await ring.caller(GOOD)
    assert grants.reads == 3


async def test_books_that_hang(ring: KeyRing, grants: Grants, clock: FixedClock) -> None:
    """Books that neither answer nor fail hold a known key up for a second, once."""
    await ring.caller(GOOD)
    clock.advance(6)

    async def hang(key_hash: str, now_ms: int) -> KeyGrant | None:
        del key_hash, now_ms
        grants.reads += 1
        await asyncio.Event().wait()
        return None

    grants.find_grant = hang  # type: ignore[method-assign]
    for _ in range(5):
        await ring.caller(GOOD)
    assert grants.reads == 2


@pytest.mark.parametrize(("changed", "reads"), [(False, 1), (True, 2)], ids=["at once", "a change between"])
async def test_crowd_with_one_key(ring: KeyRing, grants: Grants, changed: bool, reads: int) -> None:  # noqa: FBT001
    """Callers with one key share a reading, but none that began before a change made here."""
    find, answered = grants.find_grant, asyncio.Event()

    async def slow(key_hash: str, now_ms: int) -> KeyGrant | None:
        found = await find(key_hash, now_ms)
        await answered.wait()
        return found

    grants.find_grant = slow  # type: ignore[method-assign]
    callers = []
    for _ in range(2):
        callers += [asyncio.create_task(ring.caller(GOOD)) for _ in range(50)]
        for _ in range(3):
            await asyncio.sleep(0)
        if changed:
            ring.forget()
    answered.set()
    assert {(await caller).principal.key_id for caller in callers} == {"k1"}
    assert grants.reads == reads


async def test_left_while_others_wait(ring: KeyRing, grants: Grants) -> None:
    """A caller that leaves takes the reading away from nobody."""
    find = grants.find_grant

    async def slow(key_hash: str, now_ms: int) -> KeyGrant | None:
        await asyncio.sleep(0)
        return await find(key_hash, now_ms)

    grants.find_grant = slow  # type: ignore[method-assign]
    first, second = (asyncio.create_task(ring.caller(GOOD)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).principal.key_id == "k1"
    assert grants.reads == 1
