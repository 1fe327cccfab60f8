"""What the command line and the API do alike: secrets for keys, and money as people write it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation

import msgspec

from gateway.config_file import Configuration
from gateway.credentials import fingerprint, mint
from gateway.errors import ConfigError, InvalidRequest
from gateway.exchange import Scope
from gateway.stores.base import BudgetSpec, Directory, KeyRow, KeySpec, Period
from gateway.stores.directory_base import Versions
from policies.pricing import nano
from policies.yaml_lines import nearest

DEFAULT_SCOPES: tuple[Scope, ...] = ("inference", "reports")
MOST_USD = 1_000_000
_LEAST_USD = Decimal("1e-9")


class Money(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit in USD, as text or number."""

    limit_usd: Decimal
    hard: bool = True
    """Refuse what would exceed it; otherwise it only counts."""


class Limit(Money, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit in USD for a period."""

    period: Period = "1mo"

    def spec(self, param: str) -> BudgetSpec:
        """Return the limit as the books keep it; raise InvalidRequest naming `param`."""
        nano = parse_usd(self.limit_usd, param=param)
        return BudgetSpec(limit_nano=nano, period=self.period, hard=self.hard)


class IssuedKey(msgspec.Struct, frozen=True):
    """A key with its new secret, which is never shown again."""

    key: KeyRow
    secret: str


class Issuer:
    """Makes secrets and hands the directory their fingerprints only."""

    def __init__(self, directory: Directory, configuration: Configuration) -> None:
        self._directory = directory
        self._configuration = configuration
        self._configured = configuration.settings.general_settings.key_pepper

    async def create(self, team: str, spec: KeySpec, *, actor: str) -> IssuedKey:
        """Add a key to a team; raise NotFound, Conflict or InvalidRequest."""
        check_models(spec.allowed_models, self._configuration)
        secret = mint()
        print_ = fingerprint(secret, await self._pepper())
        return IssuedKey(await self._directory.create_key(team, spec, print_, actor=actor), secret)

    async def rotate(
        self, key_id: str, *, overlap_s: int, actor: str, expected: Versions = None
    ) -> IssuedKey:
        """Give a key a new secret; the old one stays valid for the overlap. Raise NotFound or Conflict."""
        secret = mint()
        print_ = fingerprint(secret, await self._pepper())
        key = await self._directory.rotate_key(
            key_id, print_, overlap_s=overlap_s, actor=actor, expected=expected
        )
        return IssuedKey(key, secret)

    async def _pepper(self) -> bytes:
        if self._configured:
            return self._configured.get_secret_value().encode()
        return await self._directory.pepper()


def check_models(asked: Iterable[str] | None, configuration: Configuration) -> None:
    """Raise InvalidRequest for a model that no deployment of the configuration has."""
    known = {entry.model_name for entry in configuration.settings.model_list}
    for name in asked or ():
        if name not in known:
            raise InvalidRequest(
                f"no deployment is called `{name[:128]}`{nearest(name, known)}", param="allowed_models"
            )


async def check_packs(
    lay: Callable[[str, tuple[str, ...]], object], directory: Directory, team: str, asked: Iterable[str]
) -> None:
    """Raise InvalidRequest unless packs can be laid over those of a team (id or name)."""
    packs = tuple(asked)
    if not packs:
        return
    name = (await directory.find_team(team)).name
    try:
        await asyncio.to_thread(lay, name, packs)
    except ConfigError as error:
        raise InvalidRequest(str(error)[:600], param="packs") from None


def parse_usd(amount: str | Decimal, *, param: str | None = None) -> int:
    """Return nano-USD; raise InvalidRequest for anything but a finite amount above 0 and up to MOST_USD."""
    try:
        usd = Decimal(amount)
        if usd.is_finite() and _LEAST_USD <= usd <= MOST_USD:
            return nano(usd)
    except (InvalidOperation, ValueError):
        pass
    raise InvalidRequest(
        f"`{str(amount)[:40]}` is no amount of money; give USD above 0 and up to {MOST_USD}, "
        "in billionths at the finest, such as 25 or 0.50",
        param=param,
    )
