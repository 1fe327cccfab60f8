from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from signal import SIGTERM

import aiohttp
from running_gateway import (
    GLM,
    GLM_KEY,
    MASTER_KEY,
    OPUS,
    OPUS_KEY,
    ROUTINE,
    Json,
    configure,
    prepare_books,
    serve_gateway,
)

from gateway.upstreams.scripted import Scenario, Vendors


def body(model: str = "auto", *, stream: bool = False) -> Json:
    """Return a request for one answer."""
    return {"model": model, "messages": [{"role": "user", "content": ROUTINE}], "stream": stream}


async def provoke(url: str, key: str, vendors: Vendors) -> bytes:
    """Drive good requests and every kind of error there is; return all that came back."""
    heard = b""
    bad_keys = [
        {"authorization": f"Bearer {key}x"},
        {"authorization": f"Basic {key}"},
        {"x-api-key": key[:-1]},
        {"api-key": key + "\u00e9"},
        {},
    ]
    good = {"authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(url) as http:

        async def note(response: aiohttp.ClientResponse) -> None:
            nonlocal heard
            heard += repr(response.headers).encode() + await response.read()

        for head in bad_keys:
            async with http.post("/v1/chat/completions", json=body(), headers=head) as response:
                assert response.status == 401
                await note(response)
        for path in ("/v1/reports/costs", "/nowhere", "/v1/decisions/x", "/v1/models/none", "/metrics"):
            async with http.get(path, headers=good) as response:
                await note(response)
        faults = [{}, {"status": 401}, {"status": 403}, {"status": 400}, {"garbage": True}, {"empty": True}]
        faults += [{"cut_after_events": 3}, {"error_after_events": 3}, {"status": 500, "body": "html"}]
        for fault in faults:
            vendors.script(GLM, Scenario(**fault))
            vendors.script(OPUS, Scenario(**fault))
            for model in ("glm-4.5", "claude-opus-4-1", "nope"):
                for stream in (False, True):
                    asked = body(model, stream=stream)
                    async with http.post("/v1/chat/completions", json=asked, headers=good) as response:
                        await note(response)
        for bad in (b"{", b"\xff", b"[" * 100_000):
            async with http.post("/v1/chat/completions", data=bad, headers=good) as response:
                await note(response)
        async with http.get("/metrics") as response:
            await note(response)
    return heard


def read_journal(folder: Path) -> bytes:
    """Return all that stands in the journal's files."""
    return b"".join(path.read_bytes() for path in folder.rglob("books.db.spool/**/*") if path.is_file())


async def test_no_secret_leaks(tmp_path: Path, vendors: Vendors) -> None:
    """No key and no hash of one is in answers, logs, metrics, the journal or, but for its column, the books."""
    key = await prepare_books(tmp_path)
    with closing(sqlite3.connect(tmp_path / "books.db")) as database:
        (kept,) = database.execute("SELECT key_hash FROM keys").fetchone()
    config = configure(vendors, log={"level": "debug"})
    async with serve_gateway(tmp_path, config) as served:
        heard = await provoke(served.url, key, vendors)
        spooled = read_journal(tmp_path)
        assert await served.stop(SIGTERM) == 0
    secrets = [key, kept, MASTER_KEY, GLM_KEY, OPUS_KEY, hashlib.sha256(key.encode()).hexdigest()]
    for place, text in {"answers": heard, "log": served.log, "spool": spooled}.items():
        assert text
        assert [secret for secret in secrets if secret.encode() in text] == [], place
    with closing(sqlite3.connect(tmp_path / "books.db")) as database:
        dump = "\n".join(database.iterdump())
    assert [secret for secret in secrets if secret in dump] == [kept]
    assert dump.count(kept) == 1
