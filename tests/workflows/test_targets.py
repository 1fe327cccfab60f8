"""Where webhooks may go."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.errors import InvalidRequest
from gateway.workflows.targets import Targets


def resolving(*addresses: str) -> Targets:
    """Return targets for which every name has these addresses."""

    async def look_up(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return Targets(("tower.internal", "192.168.7.0/24"), look_up)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://10.1.2.3/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://[64:ff9b::a00:1]/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://user:pass@93.184.216.34/x",
        "http://93.184.216.34/x",
        "gopher://93.184.216.34/x",
        "https://",
        "not a url",
    ],
)
async def test_internal_targets(url: str) -> None:
    """A webhook may not be made to speak to the inside."""
    with pytest.raises(InvalidRequest):
        await Targets(()).vet(url)


async def test_one_internal_address_is_enough() -> None:
    """A name with a public and an internal address is refused: either could be used."""
    with pytest.raises(InvalidRequest):
        await resolving("93.184.216.34", "10.0.0.1").vet("https://example.org/")


async def test_addresses_are_pinned() -> None:
    """What was vetted is what is connected to, whatever the name says a moment later."""
    target = await resolving("93.184.216.34", "2606:2800:220:1::1").vet("https://example.org:8443/x")
    assert (target.host, target.port) == ("example.org", 8443)
    assert target.addresses == ("93.184.216.34", "2606:2800:220:1::1")


@pytest.mark.parametrize(
    ("address", "url"),
    [("192.168.7.9", "http://ci.example.org/"), ("10.9.9.9", "http://tower.internal:8080/")],
)
async def test_allowed_inside(address: str, url: str) -> None:
    """The operator may allow a network or a host by name, https or not."""
    assert (await resolving(address).vet(url)).addresses == (address,)
