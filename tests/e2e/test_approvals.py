"""Decisions a person has to agree to, from the pack to the answer."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from click.testing import CliRunner
from running_gateway import CRITICAL, GLM, MASTER_KEY, OPUS, ROUTINE, Launch, Running
from test_workflows import delete, kinds, look, step, submit

from gateway.cli import gateway as command_line
from gateway.upstreams.authorities import system_tls
from gateway.upstreams.scripted import Scenario
from gateway.workflows.webhooks import verify

Status = dict[str, object]
SECRET = "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"
Guarded = Callable[..., Awaitable[Running]]


@pytest.fixture
async def guarded(launch: Launch, tmp_path: Path) -> Guarded:
    """Give a function that starts a gateway whose pack asks for approval."""

    async def start(approval: str, **sections: dict[str, object]) -> Running:
        (tmp_path / "guarded.yaml").write_text(f"pack: guarded\napproval: {approval}\n")
        workflows = {"lease_seconds": 0.5} | sections.pop("workflows", {})
        policy = {"packs": ["small.yaml", "guarded.yaml"], "reload_seconds": 0}
        return await launch(policy=policy, workflows=workflows, **sections)

    return start


async def waiting(gateway: Running, key: str, task: object) -> Status:
    """Submit a task and return it once it waits for a person."""
    _, made = await submit(gateway, key, task)
    found = await look(gateway, key, made["id"])
    assert found["state"] == "waiting_approval", found
    return found


async def judge(gateway: Running, key: str, found: Status, verb: str) -> tuple[int, Status]:
    """Approve or deny a workflow."""
    path = f"/v1/escalation/workflow/{found['id']}/{verb}"
    status, _, body = await gateway.post(key, {"reason": "seen by the lead"}, path=path)
    return status, json.loads(body)


async def test_approved(guarded: Guarded) -> None:
    """Nothing is paid before a person with the right agrees; who and why are on record; then it is done."""
    gateway = await guarded('{above_usd: "0.01"}')
    key, lead = await gateway.key(), await gateway.key(scopes=("inference", "approval"))
    found = await waiting(gateway, key, {"description": CRITICAL})
    assert gateway.vendors.calls == []
    approval = found["approval"]
    assert isinstance(approval, dict)
    assert "more than $0.01" in approval["reason"]
    assert (await judge(gateway, key, found, "approve"))[0] == 403
    status, _ = await judge(gateway, lead, found, "approve")
    assert status == 200
    done = await look(gateway, key, found["id"])

    assert done["state"] == "completed", done
    assert [call.model for call in gateway.vendors.calls] == [OPUS]
    events = done["events"]
    assert isinstance(events, list)
    (approved,) = [e for e in events if e["kind"] == "approved"]
    assert approved["detail"]["reason"] == "seen by the lead"
    result = step(done, "escalate")["result"]
    assert isinstance(result, dict)
    assert result["approved_by"] == approved["detail"]["actor"]
    assert [(await judge(gateway, lead, found, verb))[0] for verb in ("approve", "deny")] == [409, 409]


@pytest.mark.parametrize(
    ("approval", "task", "asked"),
    [
        ("{triggers: [critical_security]}", {"description": CRITICAL}, True),
        ("{triggers: [critical_security]}", {"description": ROUTINE}, False),
        ("{data_classes: [secret]}", {"description": ROUTINE, "metadata": {"data_class": "Secret"}}, True),
        ("{data_classes: [secret]}", {"description": ROUTINE, "metadata": {"data_class": "open"}}, False),
    ],
    ids="trigger other_trigger data_class other_data_class".split(),
)
async def test_what_needs_approval(guarded: Guarded, approval: str, task: object, *, asked: bool) -> None:
    """Triggers and classes of data ask for a person, others do not; one who denies ends it unpaid."""
    gateway = await guarded(approval)
    key = await gateway.key()
    _, made = await submit(gateway, key, task)
    found = await look(gateway, key, made["id"])
    assert found["state"] == ("waiting_approval" if asked else "completed"), found
    if asked:
        _, denied = await judge(gateway, MASTER_KEY, found, "deny")
        error = denied["error"]
        assert isinstance(error, dict)
        assert (denied["state"], error["code"]) == ("failed", "approval_denied")
        assert gateway.vendors.calls == []


async def test_nobody_approves(guarded: Guarded) -> None:
    """A request for approval ends with its time; one that waits can be cancelled; no key approves its own."""
    gateway = await guarded("{triggers: [critical_security], expires_after: 2s}")
    key = await gateway.key(scopes=("inference", "approval"))
    first, second = [await waiting(gateway, key, {"description": CRITICAL}) for _ in range(2)]
    assert (await judge(gateway, key, first, "approve"))[0] == 403
    assert (await delete(gateway, key, second["id"]))[0] == 200
    async with asyncio.timeout(20):
        while (found := await look(gateway, key, first["id"]))["state"] == "waiting_approval":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (found["state"], kinds(found)[-1]) == ("failed", "expired")
    assert (await judge(gateway, MASTER_KEY, first, "approve"))[0] == 409


async def test_chat_meanwhile_base(guarded: Guarded) -> None:
    """A client that waits gets the base tier meanwhile where the pack says so, and is told."""
    gateway = await guarded("{triggers: [critical_security], meanwhile: base}")
    key = await gateway.key()
    body = {"model": "auto", "messages": [{"role": "user", "content": CRITICAL}]}
    status, headers, _ = await gateway.post(key, body)

    assert (status, headers["x-gateway-tier"], headers["x-gateway-approval"]) == (200, "base", "required")
    assert headers["x-gateway-below-floor"] == "true"
    assert [call.model for call in gateway.vendors.calls] == [GLM]
    assert [row["ground"] for row in await gateway.rows()] == ["approval"]


async def test_chat_denied_then_approved(guarded: Guarded) -> None:
    """A client that waits is refused with the id of a workflow that gives the answer once a person agrees."""
    gateway = await guarded("{triggers: [critical_security]}")
    key = await gateway.key()
    body = {"model": "auto", "max_tokens": 64, "messages": [{"role": "user", "content": CRITICAL}]}
    told = [await gateway.post(key, body, path="/v1/messages") for _ in range(2)]
    assert {status for status, _, _ in told} == {403}
    (workflow_id,) = {headers["x-gateway-workflow-id"] for _, headers, _ in told}
    assert workflow_id in json.loads(told[0][2])["error"]["message"]
    found = await look(gateway, key, workflow_id)
    assert (await judge(gateway, MASTER_KEY, found, "approve"))[0] == 200
    done = await look(gateway, key, workflow_id)
    answer = done["answer"]
    assert isinstance(answer, dict)
    assert (done["state"], answer["type"]) == ("completed", "message")


@pytest.mark.parametrize(
    ("approval", "words"),
    [
        ("{triggers: [critical_securty]}", "critical_security"),
        ('{above_usd: "lots"}', "amount of USD"),
        ("{expires_after: 1y}", "30m"),
        ("{webhook: ftp://x}", "URL"),
        ("{meanwhile: premium}", "meanwhile"),
    ],
)
async def test_bad_packs(guarded: Guarded, approval: str, words: str) -> None:
    """A pack whose approval section cannot work is refused with the place and the remedy."""
    with pytest.raises(Exception, match=words) as caught:
        await guarded(approval)
    assert "guarded.yaml:2" in str(caught.value)


async def command(folder: Path, *arguments: str) -> str:
    """Run a command of `gateway workflows` beside the gateway; return what it prints."""
    asked = ["workflows", *arguments, "--config", str(folder / "config.yaml")]
    return (await asyncio.to_thread(CliRunner().invoke, command_line, asked)).output


async def test_commands(guarded: Guarded) -> None:
    """The command line lists, shows, approves and cancels; the running gateway acts on it."""
    gateway = await guarded("{triggers: [critical_security]}")
    gateway.vendors.script(OPUS, Scenario(hang=True))
    key = await gateway.key()
    found = await waiting(gateway, key, {"description": CRITICAL})
    workflow_id = str(found["id"])
    listed = json.loads(await command(gateway.folder, "list", "--json", "--state", "waiting_approval"))
    assert [line["id"] for line in listed] == [workflow_id]
    assert "approved" in await command(gateway.folder, "approve", workflow_id, "--reason", "fine")
    await gateway.vendors.wait_calls(1)
    assert "cancelled" in await command(gateway.folder, "cancel", workflow_id)
    await gateway.vendors.wait_disconnect(5.0)
    assert "that cannot be done" in await command(gateway.folder, "deny", workflow_id, "--reason", "late")
    shown = await command(gateway.folder, "show", workflow_id)
    assert all(words in shown for words in ("approval_requested", "by cli", "fine", "call_opened"))
    assert [row["status"] for row in await gateway.closed(1)] == ["cancelled"]


class Receiver:
    """Takes webhooks."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.refuse_first = 1
        self.arrived = asyncio.Condition()

    async def take(self, request: web.Request) -> web.Response:
        """Refuse once, then accept."""
        async with self.arrived:
            self.got.append(({k.lower(): v for k, v in request.headers.items()}, await request.read()))
            self.arrived.notify_all()
        if request.path == "/elsewhere":
            raise web.HTTPFound("/hook")
        if self.refuse_first:
            self.refuse_first -= 1
            return web.Response(status=503)
        return web.Response(status=204)


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Receiver, int]]:
    """Give a receiver and its port."""
    taker, app = Receiver(), web.Application()
    app.router.add_post("/hook", taker.take)
    app.router.add_post("/elsewhere", taker.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    yield taker, runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, int]]:
    """Give a receiver and its port."""
    async with receiving() as found:
        yield found


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    """Give an authority the environment trusts."""
    made, bundle = trustme.CA(), tmp_path / "authorities.pem"
    made.cert_pem.write_to_path(bundle)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    system_tls.cache_clear()
    yield made
    system_tls.cache_clear()


async def test_webhook_over_tls(guarded: Guarded, authority: trustme.CA) -> None:
    """A webhook reaches whom the authorities of the system vouch for."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    allow: dict[str, object] = {"webhook_secret": SECRET, "webhook_allow": ["127.0.0.0/8"]}
    gateway = await guarded("{triggers: [critical_security]}", workflows=allow)
    key = await gateway.key()
    async with receiving(tls) as (taker, port), asyncio.timeout(30):
        taker.refuse_first = 0
        task = {"description": ROUTINE, "webhook": f"https://127.0.0.1:{port}/hook"}
        _, made = await submit(gateway, key, task)
        while "webhook_delivered" not in kinds(await look(gateway, key, made["id"])):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    assert len(taker.got) == 1


async def test_webhooks(guarded: Guarded, receiver: tuple[Receiver, int]) -> None:
    """Changes are told, signed, tried again, once each; a redirect is not followed; the trail says so."""
    taker, port = receiver
    hook = f"http://127.0.0.1:{port}/hook"
    allow: dict[str, object] = {"webhook_secret": SECRET, "webhook_allow": ["127.0.0.0/8"]}
    gateway = await guarded(f"{{triggers: [critical_security], webhook: '{hook}'}}", workflows=allow)
    key = await gateway.key()
    found = await waiting(gateway, key, {"description": CRITICAL})
    async with taker.arrived, asyncio.timeout(20):
        await taker.arrived.wait_for(lambda: len(taker.got) == 2)
    (first, body), (second, again) = taker.got
    assert body == again
    assert first["webhook-id"] == second["webhook-id"]
    notice = json.loads(body)
    assert (notice["type"], notice["workflow_id"]) == ("workflow.approval_requested", found["id"])
    assert CRITICAL not in body.decode()
    assert verify([SECRET], first["webhook-id"], first["webhook-timestamp"], body, first["webhook-signature"])
    assert not verify([SECRET], first["webhook-id"], "0", body, first["webhook-signature"])

    moved = {"description": ROUTINE, "webhook": hook.replace("hook", "elsewhere")}
    _, made = await submit(gateway, key, moved)
    async with asyncio.timeout(20):
        while "webhook_failed" not in kinds(await look(gateway, key, made["id"])):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [json.loads(body)["type"] for _, body in taker.got[2:]] == ["workflow.completed"]
