"""From the journal into SQL: what is deleted when, and what becomes of damage."""

from __future__ import annotations

from pathlib import Path

from row_samples import request_row

from gateway.stores.base import OpenRow, ReportQuery, RequestRow
from gateway.stores.spool import Spool, claim_new, encode_line, read_carried
from gateway.stores.sql_books import SqlBooks

EVERYTHING = ReportQuery(since_ms=0, until_ms=10**12)
OPENING = OpenRow(
    id="req_open",
    at_ms=1,
    team_id="t",
    key_id="k",
    tier="base",
    deployment="d",
    model="m",
    worst_case_nano=5,
    policy_revision="",
    price_revision="",
)


def request(number: int) -> RequestRow:
    """Return a request told by its number."""
    return request_row(id=f"req_{number}", at_ms=number, cost_nano=1)


def only_journal(folder: Path) -> Path:
    """Return the one journal beside the database."""
    (journal,) = folder.glob("books.db.spool/w_*")
    return journal


async def test_journal_stays_small(tmp_path: Path) -> None:
    """While SQL keeps up, the journal never fills, however much passes through it."""
    books = SqlBooks(f"sqlite:///{tmp_path}/books.db", spool_limit_bytes=40_000)
    await books.start()
    for start in range(0, 2000, 50):
        books.append(*(request(n) for n in range(start, start + 50)))
        await books.flush()
        assert books.healthy
    assert await books.spent_nano("team:t", 0) == 2000
    await books.close()


async def test_opening_outlives_its_segment(tmp_path: Path) -> None:
    """A request that stays open while its segment goes is still settled after the end of its process."""
    books = SqlBooks(f"sqlite:///{tmp_path}/books.db", spool_limit_bytes=40_000)
    await books.start()
    books.append(OPENING)
    for start in range(0, 1000, 50):
        books.append(*(request(n) for n in range(start, start + 50)))
        await books.flush()
    await books.close()
    journal = only_journal(tmp_path)
    assert read_carried(journal) == (OPENING,)
    assert OPENING.id.encode() not in b"".join(path.read_bytes() for path in journal.glob("0*.log"))
    (row,) = await books.start()
    assert (row.id, row.cost_nano) == ("req_open", 5)
    await books.close()
    assert not journal.exists()


async def test_damage_is_set_aside(tmp_path: Path) -> None:
    """Damaged lines of a dead journal stop nothing and are kept for a human to see."""
    claim = claim_new(tmp_path / "books.db.spool", "w_dead")
    spool = Spool(claim.folder)
    spool.append((request(1),))
    spool.close()
    with next(claim.folder.glob("0*.log")).open("ab") as file:
        file.write(b"garbage\n" + encode_line((request(2),)) + encode_line((request(3),))[:30])
    claim.release(remove=False)
    books = SqlBooks(f"sqlite:///{tmp_path}/books.db")
    await books.start()
    (line,) = await books.report(EVERYTHING)
    assert line.requests == 2
    aside = (tmp_path / "books.db.spool" / "rejected.log").read_bytes()
    assert aside.splitlines() == [b"garbage", encode_line((request(3),))[:30]]
    await books.close()


async def test_private_files(tmp_path: Path) -> None:
    """Only the owner can read the database and the journal."""
    books = SqlBooks(f"sqlite:///{tmp_path}/new/books.db")
    await books.start()
    books.append(request(1))
    modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "new").rglob("*")}
    assert len(modes) >= 4
    assert not any(modes.values())
    await books.close()
