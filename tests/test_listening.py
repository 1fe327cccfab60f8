from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop

from gateway.listening import Acceptor, listen

CROWD = 100
ROUNDS = 10
"""More than it takes to set a connection up, far fewer than there are newcomers."""


class Door:
    """An acceptor with a crowd before it; counts who came in."""

    def __init__(self, listening: socket.socket) -> None:
        self.taken_in, self.everybody = 0, asyncio.Event()
        self.acceptor = Acceptor(listening, self._greet, rest_s=0.01)

    def _greet(self) -> asyncio.Protocol:
        self.taken_in += 1
        if self.taken_in == CROWD:
            self.everybody.set()
        return asyncio.Protocol()


@asynccontextmanager
async def a_crowd() -> AsyncIterator[Door]:
    """Give a door that is still closed."""
    listening = listen("127.0.0.1", 0)
    listening.listen(CROWD)
    crowd = [socket.create_connection(listening.getsockname()) for _ in range(CROWD)]
    door = Door(listening)
    try:
        yield door
    finally:
        door.acceptor.close()
        for guest in crowd:
            guest.close()


async def a_few_rounds() -> None:
    """Let the loop turn."""
    for _ in range(ROUNDS):
        await asyncio.sleep(0)


def test_crowd_at_once() -> None:
    """Newcomers do not wait for a round of the loop each."""

    async def run() -> int:
        async with a_crowd() as door:
            door.acceptor.start()
            await a_few_rounds()
            return door.taken_in

    assert uvloop.run(run()) == CROWD


async def test_out_of_files() -> None:
    """Newcomers for whom there is no file descriptor are taken in once there is one again."""
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with a_crowd() as door:
        with socket.socket() as last:
            resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno(), hard))
        door.acceptor.start()
        await a_few_rounds()
        early = door.taken_in
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        async with asyncio.timeout(10):
            await door.everybody.wait()
    assert early < CROWD
