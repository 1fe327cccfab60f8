"""The journal: what is acknowledged is there, what is torn is not, and only the dead are inherited."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import StoreUnavailable
from gateway.stores.base import AnyRow, DecisionRow, OpenRow
from gateway.stores.spool import (
    Batch,
    Position,
    Spool,
    claim_dead,
    claim_new,
    decode_line,
    encode_line,
    read_batch,
    read_carried,
    segment_numbers,
)

OPENING = OpenRow(
    id="req_1",
    at_ms=1,
    team_id="t",
    key_id="k",
    tier="base",
    deployment="d",
    model="m",
    worst_case_nano=5,
    policy_revision="p",
    price_revision="c",
)


def opening(number: int, model: str = "m") -> OpenRow:
    """Return a row told by its number."""
    return msgspec.structs.replace(OPENING, id=f"req_{number}", model=model)


def fill(spool: Spool, lines: int) -> None:
    """Append numbered openings."""
    for number in range(lines):
        spool.append((opening(number),))


def read_all(folder: Path, stop: Position | None = None) -> list[AnyRow]:
    """Return every row of a journal."""
    rows: list[AnyRow] = []
    at = Position(0, 0)
    while batch := read_batch(folder, at, stop):
        rows += batch.rows
        at = batch.end
    return rows


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=3))
def test_line_round_trip(texts: list[str]) -> None:
    """A line gives back the rows it was made of, whatever their text."""
    rows = tuple(opening(number, text) for number, text in enumerate(texts))
    line = encode_line(rows)
    assert line.count(b"\n") == 1
    assert decode_line(line[:-1]) == rows


@given(st.data())
def test_damaged_line(data: st.DataObject) -> None:
    """A line with any byte changed, or cut anywhere, is known for damaged."""
    line = bytearray(encode_line((OPENING,))[:-1])
    place = data.draw(st.integers(0, len(line) - 1))
    assert decode_line(bytes(line[:place])) is None
    line[place] ^= data.draw(st.integers(1, 255))
    assert decode_line(bytes(line)) is None


def test_raw_newlines() -> None:
    """A record written over several lines stays one journal line."""
    row = DecisionRow(id="d", request_id="r", at_ms=1, team_id="t", record=msgspec.Raw(b'{\n"a":\n1}'))
    (found,) = decode_line(encode_line((row,))[:-1]) or ()
    assert isinstance(found, DecisionRow)
    assert msgspec.json.decode(found.record) == {"a": 1}


def test_torn_tail(tmp_path: Path) -> None:
    """Rows before a torn write are read, the torn ones are set apart."""
    spool = Spool(tmp_path)
    spool.append((opening(1),))
    spool.append((opening(2),))
    (segment,) = tmp_path.iterdir()
    with segment.open("r+b") as file:
        file.seek(spool.end.offset)
        file.write(encode_line((opening(3),))[:20])
    batch = read_batch(tmp_path, Position(0, 0))
    assert batch
    assert batch.rows == (opening(1), opening(2))
    assert read_batch(tmp_path, batch.end).damaged  # type: ignore[union-attr]


def test_long_lines(tmp_path: Path) -> None:
    """A line longer than a read is still one line."""
    spool = Spool(tmp_path)
    rows = [opening(number, "x" * 200_000) for number in range(3)]
    for row in rows:
        spool.append((row,))
    assert read_all(tmp_path, spool.end) == rows


def test_rotation_and_carry(tmp_path: Path) -> None:
    """Dropping old segments keeps the newest one and the openings it is told of."""
    spool = Spool(tmp_path, segment_bytes=1000)
    fill(spool, 20)
    before = spool.kept_bytes
    assert read_all(tmp_path, spool.end) == [opening(number) for number in range(20)]
    spool.drop_before(spool.end.segment, [opening(3)])
    assert segment_numbers(tmp_path) == [spool.end.segment]
    assert read_carried(tmp_path) == (opening(3),)
    assert 0 < spool.kept_bytes < before


def test_rows_come_once(tmp_path: Path) -> None:
    """What was appended is read once, without the files; what was read before can be read from them."""
    spool = Spool(tmp_path)
    start = spool.end
    spool.append((opening(1),))
    between = spool.end
    spool.append((opening(2), opening(3)))
    (segment,) = tmp_path.iterdir()
    segment.rename(tmp_path / "away")
    batch = spool.read(start)
    assert batch == Batch(rows=(opening(1), opening(2), opening(3)), damaged=(), end=spool.end)
    assert spool.read(spool.end) is None
    (tmp_path / "away").rename(segment)
    assert spool.read(between) == Batch(rows=(opening(2), opening(3)), damaged=(), end=spool.end)


def test_fallen_behind(tmp_path: Path) -> None:
    """More rows than are remembered come from the files, in order, and none is missed or doubled."""
    spool = Spool(tmp_path)
    rows = [opening(number, "x" * 300_000) for number in range(40)]
    at, found = spool.end, list[AnyRow]()
    for row in rows:
        spool.append((row,))
    while batch := spool.read(at):
        found += batch.rows
        at = batch.end
    assert found == rows
    assert at == spool.end


def test_surrogates(tmp_path: Path) -> None:
    """Text that UTF-8 cannot hold is replaced, in memory as on the disk."""
    spool = Spool(tmp_path)
    start = spool.end
    spool.append((opening(1, "a\ud800b"),))
    assert read_all(tmp_path) == [opening(1, "a?b")]
    batch = spool.read(start)
    assert batch
    assert batch.rows == (opening(1, "a?b"),)


def test_full_journal(tmp_path: Path) -> None:
    """A full journal refuses rows and takes them again once SQL has made room."""
    spool = Spool(tmp_path, limit_bytes=4000)
    with pytest.raises(StoreUnavailable):
        fill(spool, 100)
    assert spool.full
    assert spool.kept_bytes <= 4000
    spool.drop_before(spool.end.segment, [])
    spool.append((opening(0),))
    assert not spool.full


def test_closed_journal(tmp_path: Path) -> None:
    """A closed journal takes nothing more."""
    spool = Spool(tmp_path)
    spool.close()
    with pytest.raises(StoreUnavailable):
        spool.append((OPENING,))


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from gateway.errors import StoreUnavailable
from gateway.stores.spool import Spool
sys.path.insert(0, sys.argv[2])
from test_spool import opening
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = Spool(Path(sys.argv[1]), segment_bytes=1000)
resource.setrlimit(resource.RLIMIT_FSIZE, (900, resource.RLIM_INFINITY))
for number in range(12):
    if number == 10:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        spool.append((opening(number),))
        print(number)
    except StoreUnavailable:
        pass
"""


def test_full_disk(tmp_path: Path) -> None:
    """Where the disk takes no more, exactly the acknowledged rows are read back, later ones included."""
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path), str(Path(__file__).parent)]
    path = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(command, env=path, check=True, capture_output=True, text=True)  # noqa: S603
    acknowledged = [opening(int(number)) for number in done.stdout.split()]
    assert 2 < len(acknowledged) < 12
    assert acknowledged[-2:] == [opening(10), opening(11)]
    assert read_all(tmp_path) == acknowledged


def test_only_the_dead_are_inherited(tmp_path: Path) -> None:
    """A folder belongs to its process until it lets go; then it has one heir."""
    mine = claim_new(tmp_path, "w_1")
    assert claim_dead(tmp_path) == ()
    mine.release(remove=False)
    (heir,) = claim_dead(tmp_path)
    assert claim_dead(tmp_path) == ()
    heir.release(remove=True)
    assert claim_dead(tmp_path) == ()
    assert not heir.folder.exists()


def test_synced_segments(tmp_path: Path) -> None:
    """Syncing across segments, and with nothing new, works off the path."""
    spool = Spool(tmp_path, segment_bytes=500)
    fill(spool, 9)
    spool.sync()
    spool.drop_before(spool.end.segment, [])
    spool.append((opening(9),))
    spool.sync()
    assert spool._synced == spool.end
