"""The HTTP client for what the pool does not do: proxies, and servers that need aiohttp's leniency."""

from __future__ import annotations

import asyncio
import ssl
from types import SimpleNamespace

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from gateway.exchange import Call, Timeouts, TransportFailure
from gateway.upstreams.authorities import system_tls
from gateway.upstreams.body import BodyReply
from gateway.upstreams.http1 import MAX_HEADER_BYTES, USER_AGENT, check_headers, fold_headers
from policies.verdicts import OutcomeKind

_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_SWITCHING_PROTOCOLS = 101
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=None)
_KINDS: tuple[tuple[type[Exception], OutcomeKind, str], ...] = (
    (aiohttp.NonHttpUrlClientError, "connect_failed", "the deployment's url cannot be called"),
    (aiohttp.ClientHttpProxyError, "connect_failed", "the proxy refused"),
    (aiohttp.ClientConnectorError, "connect_failed", "connecting failed"),
    (ValueError, "connect_failed", "the deployment's url cannot be called"),
    (aiohttp.ClientResponseError, "garbled", "the answer is not HTTP"),
    (aiohttp.ClientError, "cut_off", "the upstream closed the connection"),
    (OSError, "cut_off", "the connection broke"),
)
"""What aiohttp raises, most special first. Its own words may quote urls and headers, so few are shown."""


class _Stale(Exception):
    """The connection had been closed while it rested."""


class _Stopwatch:
    """Follows one attempt through its stages, moving the time-out of each."""

    def __init__(self, timeouts: Timeouts, total_by: float) -> None:
        self.reused = False
        self.stage = "connect"
        self._total_by = total_by
        self._timeouts = timeouts
        self.limit = asyncio.timeout_at(min(_now() + timeouts.connect_s, total_by))

    def sent(self) -> None:
        """Begin the wait for the first byte."""
        self.stage = "first byte"
        if not self.limit.expired():
            self.limit.reschedule(min(_now() + self._timeouts.first_byte_s, self._total_by))

    def late(self) -> TransportFailure:
        """Return the failure of the stage that took too long."""
        return _late("total" if _now() >= self._total_by else self.stage)


class AiohttpReply(BodyReply):
    """An answer whose connection aiohttp holds."""

    __slots__ = ("_client", "_closed", "_response", "_timeouts", "_total_by")

    def __init__(
        self, client: AiohttpClient, response: aiohttp.ClientResponse, timeouts: Timeouts, total_by: float
    ) -> None:
        super().__init__(response.status, fold_headers(response.raw_headers))
        self._client = client
        self._closed = False
        self._response = response
        self._timeouts = timeouts
        self._total_by = total_by

    async def receive(self) -> bytes:
        """Return what arrived since the last call, b"" at the body's end; raise TransportFailure."""
        if self._closed and not self._response.content.at_eof():
            raise TransportFailure("cut_off", "the reply was closed before its body was read")
        idle_by = _now() + self._timeouts.idle_s
        try:
            async with asyncio.timeout_at(min(idle_by, self._total_by)):
                if _now() >= self._total_by:
                    await asyncio.sleep(0)  # a stream that always has data would never let the timer in
                return await self._response.content.readany()
        except TimeoutError as error:
            self._response.close()
            stage = "idle" if idle_by < self._total_by else "total"
            raise _late(stage) from error
        except BaseException as error:
            self._response.close()
            if isinstance(error, aiohttp.ClientError | OSError):
                raise _translate(error) from error
            raise

    async def close(self) -> None:
        """Release the connection: reused when the body was read to its end, closed otherwise. Idempotent."""
        if not self._closed:
            self._closed = True
            self._response.close()
            await self._client._finish_call()  # noqa: SLF001 - the two are one unit


class AiohttpClient:
    """An `Upstream` on aiohttp: no redirects, no cookies; proxies by argument or from the environment.

    It costs several times the CPU of `HttpPool`, and sees less of the connection: only a clean close counts
    as stale, a reset passes for the end of a body that only the connection's end delimits, and bytes that
    come while a connection rests pass for the next answer.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        trust_env: bool = True,
        tls: ssl.SSLContext | None = None,
        max_connections_per_origin: int = 512,
        keep_alive_s: float = 30.0,
        user_agent: str = USER_AGENT,
    ) -> None:
        self._proxy = proxy
        self._trust_env = trust_env
        self._tls = tls
        self._max_connections = max_connections_per_origin
        self._keep_alive_s = keep_alive_s
        self._user_agent = user_agent
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._calls = 0
        self._closed = False

    async def send(self, call: Call) -> AiohttpReply:
        """Send `call` and return once the answer's head is there; raise TransportFailure.

        Cancelling the caller closes the connection at once. The wait for a free connection counts as
        connecting.
        """
        if self._closed:
            raise TransportFailure("connect_failed", "this http client is closed")
        check_headers(call.headers)
        total_by = _now() + call.timeouts.total_s
        self._calls += 1
        try:
            response = await self._request(call, total_by)
        except BaseException:
            await self._finish_call()
            raise
        return AiohttpReply(self, response, call.timeouts, total_by)

    async def close(self) -> None:
        """Close idle connections; calls under way are left alone, and the last one closes the rest."""
        self._closed = True
        await self._close_when_idle()

    async def _request(self, call: Call, total_by: float) -> aiohttp.ClientResponse:
        try:
            response = await self._attempt(call, total_by, keep_alive=True)
        except _Stale:
            response = await self._attempt(call, total_by, keep_alive=False)
        coding = response.headers.get("transfer-encoding", "chunked")
        if response.status == _SWITCHING_PROTOCOLS or coding.lower() != "chunked":
            response.close()
            raise TransportFailure(
                "garbled", "the answer is in a protocol or a coding that was not asked for"
            )
        return response

    async def _attempt(self, call: Call, total_by: float, *, keep_alive: bool) -> aiohttp.ClientResponse:
        """Return the answer; raise `_Stale` when a connection that had rested was closed meanwhile."""
        stopwatch = _Stopwatch(call.timeouts, total_by)
        try:
            async with stopwatch.limit:
                return await self._session(keep_alive=keep_alive).post(
                    URL(call.url, encoded=True),
                    data=call.body,
                    headers=self._headers(call),
                    allow_redirects=False,
                    proxy=self._proxy,
                    trace_request_ctx=stopwatch,
                )
        except TimeoutError as error:
            raise stopwatch.late() from error
        except aiohttp.ServerDisconnectedError as error:
            if stopwatch.reused and isinstance(error.message, str):  # a parsed head otherwise
                raise _Stale from error
            raise _translate(error) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _translate(error) from error

    def _headers(self, call: Call) -> CIMultiDict[str]:
        headers = CIMultiDict(call.headers)
        headers.setdefault("accept-encoding", "identity")
        headers.setdefault("user-agent", self._user_agent)
        return headers

    def _session(self, *, keep_alive: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(keep_alive)
        if session is None:
            session = self._sessions[keep_alive] = self._open_session(keep_alive=keep_alive)
        return session

    def _open_session(self, *, keep_alive: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            limit_per_host=self._max_connections,
            keepalive_timeout=self._keep_alive_s if keep_alive else None,
            force_close=not keep_alive,
            ssl=self._tls or system_tls(),
        )
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        trace.on_request_headers_sent.append(_note_sent)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_OWN_HEADERS,
            timeout=_NO_TIMEOUT,
            trace_configs=[trace],
            trust_env=self._trust_env,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    async def _finish_call(self) -> None:
        self._calls -= 1
        await self._close_when_idle()

    async def _close_when_idle(self) -> None:
        if self._closed and not self._calls:
            for session in self._sessions.values():
                await session.close()


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _note_reuse(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.reused = True


async def _note_sent(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.sent()


def _late(stage: str) -> TransportFailure:
    return TransportFailure("timeout", f"{stage} time-out: nothing usable in the time allowed")


def _translate(error: Exception) -> TransportFailure:
    kind, words = next((kind, words) for cause, kind, words in _KINDS if isinstance(error, cause))
    reason = getattr(error, "strerror", None) or type(error).__name__
    return TransportFailure(kind, f"{words}: {reason[:200]}")
