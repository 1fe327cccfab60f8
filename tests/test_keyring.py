from __future__ import annotations

import pytest

from gateway.clock import FixedClock
from gateway.credentials import hash_key, mint
from gateway.errors import Unauthenticated
from gateway.keyring import ADMIN, MAX_CACHED, KeyRing
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

    async def find_grant(self, key_hash: str, now_ms: int) -> KeyGrant | None:
        """Return a grant."""
        assert now_ms > 0
        self.reads += 1
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
    """Give a key ring that trusts an answer for five seconds."""
    return KeyRing(books=grants, pepper=PEPPER, master_key=MASTER, clock=clock, trust_s=5)  # type: ignore[arg-type]


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
