"""Which URLs a webhook may go to: nothing internal, whatever its name resolves to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

import msgspec

from gateway.errors import InvalidRequest

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host."""
_MOST_URL_CHARS = 2_048
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_PORTS = {"https": 443, "http": 80}
_REFUSED = "this webhook cannot be told: {why}; give a public https URL, or allow its host in webhook_allow"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A vetted URL with the addresses it may be reached at; they are the only ones used."""

    url: str
    host: str
    port: int
    addresses: tuple[str, ...]


class Targets:
    """Vets webhook URLs against what the operator allows."""

    def __init__(self, allow: Sequence[str], look_up: LookUp | None = None) -> None:
        self._networks = tuple(network for entry in allow if (network := _network(entry)) is not None)
        self._hosts = frozenset(entry.lower() for entry in allow)
        self._look_up = look_up or look_up_host

    async def vet(self, url: str) -> Target:
        """Return the target of a URL; raise InvalidRequest for one that is not allowed.

        Every address the name has must be allowed: one that is not could be the one that is used. The
        addresses are returned so that the name is not asked for again, when it may answer differently.
        """
        host, port, is_secure = _parts(url)
        is_named = host in self._hosts
        addresses = tuple(await self._addresses(host, port))
        if not is_named:
            for text in addresses:
                address = ipaddress.ip_address(text)
                if self._is_allowed(address):
                    is_secure = True
                elif not is_public(address):
                    raise _refusal("its host is internal")
        if not is_secure and not is_named:
            raise _refusal("it is not https")
        return Target(url=url, host=host, port=port, addresses=addresses)

    def _is_allowed(self, address: Address) -> bool:
        return any(address.version == n.version and address in n for n in self._networks)

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            found = await self._look_up(host, port)
        except (OSError, UnicodeError):
            found = ()
        if not found:
            raise _refusal("its host is unknown")
        return found


def is_public(address: Address) -> bool:
    """Tell whether an address, or the one wrapped inside it, is reachable from everywhere."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return is_public(inner)
    return address.is_global and not address.is_multicast


async def look_up_host(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host from the system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def _parts(url: str) -> tuple[str, int, bool]:
    """Return host, port and whether the URL is https; raise InvalidRequest."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise _refusal("it is not a URL") from None
    known = parts.scheme in _PORTS and len(url) <= _MOST_URL_CHARS and url.isascii() and url.isprintable()
    if not known or not host or " " in url:
        raise _refusal("it is not a URL")
    if parts.username is not None or parts.password is not None:
        raise _refusal("it holds credentials")
    return host, port or _PORTS[parts.scheme], parts.scheme == "https"


def _network(entry: str) -> Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def _refusal(why: str) -> InvalidRequest:
    return InvalidRequest(_REFUSED.format(why=why), param="webhook")
