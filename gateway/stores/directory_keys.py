"""Changes to keys and their secrets, each inside an act."""

from __future__ import annotations

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict
from sqlalchemy import Connection, delete, insert, select, update

from gateway.credentials import Fingerprint
from gateway.errors import Conflict, NotFound
from gateway.stores.directory_acts import Act, check_version, differences
from gateway.stores.directory_base import KeyChange, KeyRow, KeySpec, Page, Versions
from gateway.stores.directory_budgets import lift_budgets_of_key, put_budget
from gateway.stores.directory_rows import key_columns, key_values, on_page, read_key
from gateway.stores.directory_rules import check_key, check_overlap
from gateway.stores.directory_teams import find_team
from gateway.stores.schema import fit_text, former_secrets, keys

_LIVE = keys.c.revoked_ms.is_(None)
_BLOCKS = {(True, False): "key.unblock", (False, True): "key.block"}


def create_key(act: Act, team: str, spec: KeySpec, fingerprint: Fingerprint) -> KeyRow:
    """Add a key and its budgets; raise NotFound, Conflict or InvalidRequest."""
    check_key(spec, act.now_ms)
    team_id = find_team(act.connection, team).id
    _check_free(act.connection, team_id, spec.name)
    key = KeyRow(
        id=act.new_id("key"),
        name=spec.name,
        team_id=team_id,
        last4=fingerprint.last4,
        created_ms=act.now_ms,
        scopes=spec.scopes,
        allowed_models=spec.allowed_models,
        expires_ms=spec.expires_ms,
        rpm=spec.rpm,
        tpm=spec.tpm,
        concurrency=spec.concurrency,
        packs=spec.packs,
        rewrite=spec.rewrite,
    )
    act.connection.execute(insert(keys).values(key_values(key) | {"key_hash": fingerprint.key_hash}))
    for budget in spec.budgets:
        put_budget(act, f"key:{key.id}", budget)
    act.record("key.create", key.id, {"team_id": team_id} | asdict(spec))
    return key


def find_key(connection: Connection, key_id: str) -> KeyRow:
    """Return a key, revoked or not; raise NotFound."""
    row = connection.execute(select(*key_columns()).where(keys.c.id == key_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"no key has the id `{fit_text(key_id, 64)}`; list the keys to see them")
    return read_key(row)


def read_keys(connection: Connection, team: str | None, page: Page | None) -> list[KeyRow]:
    """Return the keys that are not revoked, of one team or of all, in order of creation; raise NotFound."""
    query = select(*key_columns()).where(_LIVE)
    if team is not None:
        query = query.where(keys.c.team_id == find_team(connection, team).id)
    return [read_key(row) for row in connection.execute(on_page(query, keys.c.id, page)).mappings()]


def update_key(act: Act, key_id: str, change: KeyChange, expected: Versions) -> KeyRow:
    """Change a key; raise NotFound, Conflict, PreconditionFailed or InvalidRequest."""
    found = _live_key(act, key_id)
    check_version("key", found.version, expected)
    changed = _changed(found, change, act.now_ms)
    _check(changed, change, act.now_ms)
    if changed == found:
        return found
    if changed.name != found.name:
        _check_free(act.connection, found.team_id, changed.name)
    changed = msgspec.structs.replace(changed, version=found.version + 1)
    act.connection.execute(update(keys).where(keys.c.id == key_id).values(key_values(changed)))
    act.record(_act_name(found, changed), key_id, differences(found, changed))
    return changed


def rotate_key(act: Act, key_id: str, fingerprint: Fingerprint, overlap_s: int, expected: Versions) -> KeyRow:
    """Give a key a new secret; no earlier one is valid for longer than the overlap from now on."""
    check_overlap(overlap_s)
    found = _live_key(act, key_id)
    check_version("key", found.version, expected)
    _retire_secrets(act, key_id, act.now_ms + overlap_s * 1000)
    changed = msgspec.structs.replace(found, last4=fingerprint.last4, version=found.version + 1)
    values = key_values(changed) | {"key_hash": fingerprint.key_hash}
    act.connection.execute(update(keys).where(keys.c.id == key_id).values(values))
    act.record("key.rotate", key_id, {"overlap_seconds": overlap_s})
    return changed


def revoke_key(act: Act, key_id: str, expected: Versions) -> KeyRow:
    """End a key now and lift its budgets; raise NotFound or PreconditionFailed."""
    found = find_key(act.connection, key_id)
    if found.revoked_ms is not None:
        return found
    check_version("key", found.version, expected)
    ended = msgspec.structs.replace(found, revoked_ms=act.now_ms, version=found.version + 1)
    act.connection.execute(update(keys).where(keys.c.id == key_id).values(key_values(ended)))
    act.connection.execute(delete(former_secrets).where(former_secrets.c.key_id == key_id))
    lift_budgets_of_key(act, key_id)
    act.record("key.revoke", key_id, {"name": found.name})
    return ended


def _live_key(act: Act, key_id: str) -> KeyRow:
    found = find_key(act.connection, key_id)
    if found.revoked_ms is not None:
        raise Conflict(f"the key `{found.name}` is revoked for good; create another one")
    return found


def _changed(found: KeyRow, change: KeyChange, now_ms: int) -> KeyRow:
    """Return the key as it is asked to be."""
    asked = {name: value for name, value in asdict(change).items() if value is not UNSET}
    blocked = asked.pop("blocked", found.blocked_ms is not None)
    asked |= {name: tuple(value) for name, value in asked.items() if isinstance(value, list)}
    blocked_ms = (found.blocked_ms or now_ms) if blocked else None
    return msgspec.structs.replace(found, blocked_ms=blocked_ms, **asked)


def _check(changed: KeyRow, change: KeyChange, now_ms: int) -> None:
    """Check the key as a new one would be, but let an expiry that has passed be unless it is asked for."""
    asked_expiry = None if change.expires_ms is UNSET else change.expires_ms
    spec = KeySpec(
        name=changed.name,
        scopes=changed.scopes,
        allowed_models=changed.allowed_models,
        expires_ms=asked_expiry,
        rpm=changed.rpm,
        tpm=changed.tpm,
        concurrency=changed.concurrency,
        packs=changed.packs,
        rewrite=changed.rewrite,
    )
    check_key(spec, now_ms)


def _act_name(found: KeyRow, changed: KeyRow) -> str:
    if set(differences(found, changed)) != {"blocked_ms"}:
        return "key.update"
    return _BLOCKS[found.blocked_ms is not None, changed.blocked_ms is not None]


def _retire_secrets(act: Act, key_id: str, until_ms: int) -> None:
    """Keep the secrets that are valid now until then at the longest, and forget the others."""
    of_key, last = former_secrets.c.key_id == key_id, former_secrets.c.until_ms
    act.connection.execute(update(former_secrets).where(of_key, last > until_ms).values(until_ms=until_ms))
    act.connection.execute(delete(former_secrets).where(of_key, last <= act.now_ms))
    if until_ms > act.now_ms:
        current = act.connection.scalar(select(keys.c.key_hash).where(keys.c.id == key_id))
        values = {"key_hash": current, "key_id": key_id, "until_ms": until_ms}
        act.connection.execute(insert(former_secrets).values(values))


def _check_free(connection: Connection, team_id: str, name: str) -> None:
    named = (keys.c.team_id == team_id, keys.c.name == name, _LIVE)
    if connection.scalar(select(keys.c.id).where(*named)) is not None:
        raise Conflict(f"the team has a key named `{name}` already; choose another name", param="name")
