"""An administrative change under way, and the record it leaves."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, insert, select

from gateway.clock import new_id
from gateway.errors import PreconditionFailed
from gateway.stores.directory_base import AuditRow, Page, Versions
from gateway.stores.schema import audit, fit_text

FIRST_PAGE = Page(limit=100)


class Act(msgspec.Struct, frozen=True):
    """One change by one actor at one instant (Unix seconds), in a transaction of its own."""

    connection: Connection
    actor: str
    now: float

    @property
    def now_ms(self) -> int:
        """Return the instant in Unix ms."""
        return int(self.now * 1000)

    def new_id(self, prefix: str) -> str:
        """Return an id for a record that this act makes."""
        return new_id(prefix, self.now)

    def record(self, act: str, object_id: str, detail: Mapping[str, object]) -> None:
        """Leave the audit row; `detail` must not hold a secret or a hash."""
        values = {
            "id": self.new_id("act"),
            "at_ms": self.now_ms,
            "actor": fit_text(self.actor, 64),
            "act": act,
            "object_id": object_id,
            "detail": msgspec.json.encode(detail).decode(),
        }
        self.connection.execute(insert(audit).values(values))


def read_acts(connection: Connection, page: Page) -> list[AuditRow]:
    """Return a page of acts, the newest first: their ids begin with their time."""
    query = select(audit).order_by(audit.c.id.desc()).limit(page.limit)
    if page.after is not None:
        query = query.where(audit.c.id < page.after)
    return [AuditRow(**row) for row in connection.execute(query).mappings()]


def check_version(kind: str, version: int, expected: Versions) -> None:
    """Raise PreconditionFailed unless the record is at a version the change was meant for."""
    if expected is not None and version not in expected:
        raise PreconditionFailed(
            f"the {kind} was changed meanwhile and is at version {version}; "
            "read it again and repeat the change if it is still wanted",
            param="if-match",
        )


def differences(before: msgspec.Struct, after: msgspec.Struct) -> dict[str, list[object]]:
    """Return the fields that differ, each with its old and new value; the version goes without saying."""
    pairs = {name: [getattr(before, name), getattr(after, name)] for name in before.__struct_fields__}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and name != "version"}
