"""The policies in force: swapped in whole when their files change; the last good ones stay."""

from __future__ import annotations

import asyncio

import structlog

from gateway.config_file import Configuration
from gateway.errors import ConfigError, PolicyUnavailable
from gateway.exchange import Principal
from gateway.fleet import Reach
from gateway.pack_files import pack_paths, test_file
from gateway.policy_layers import Packs, load_policies
from policies.policy import Policy


class PolicySource:
    """The policies in force, replaced as a whole when their files change and still pass their tests."""

    def __init__(self, configuration: Configuration, reach: Reach) -> None:
        """Load; raise ConfigError naming path, line and remedy."""
        self._configuration = configuration
        self._reach = reach
        self._current = load_policies(configuration, reach.fleet)
        self._stamps = self._read_stamps()
        self.last_error: str | None = None
        """Why the newest files were not taken; None when they were."""

    @property
    def reach(self) -> Reach:
        """Return the deployments the policies choose among."""
        return self._reach

    @property
    def revision(self) -> str:
        """Return the organisation policy's revision."""
        return self._current.organisation.revision

    def for_team(self, team: str) -> Policy:
        """Return the policy that rules a team."""
        return self._current.for_team(team)

    def for_key(self, team: str, packs: Packs) -> Policy:
        """Return the policy of a team's key, compiled now if it was not before; raise ConfigError."""
        return self._current.for_key(team, packs)

    def try_packs(self, team: str, packs: Packs) -> None:
        """Raise ConfigError unless a key of the team may carry these packs; nothing is kept."""
        self._current.compiled(team, packs)

    def known(self, team: str, packs: Packs) -> Policy | None:
        """Return the policy of a team's key if it is at hand."""
        if not packs:
            return self._current.for_team(team)
        found = self._current.keys.get((team, packs))
        return None if isinstance(found, ConfigError) else found

    async def ruling(self, principal: Principal) -> Policy:
        """Return the policy that rules a caller; raise PolicyUnavailable if its key's packs cannot be laid.

        Judging without them could drop a floor they set, so the request is refused instead.
        """
        team, packs = principal.team_name, principal.packs
        found = self.known(team, packs)
        if found is not None:
            return found
        try:
            return await asyncio.to_thread(self.for_key, team, packs)
        except ConfigError as error:
            structlog.get_logger("gateway").warning(
                "key_packs_refused", key_id=principal.key_id, reason=error.message
            )
            raise PolicyUnavailable(
                f"the packs of this key ({', '.join(packs)}) cannot be applied; "
                "whoever administers the key finds the reason in the gateway's log"
            ) from None

    async def ruled(self, team: str, packs: Packs) -> Policy:
        """Return the policy for what a team's key once sent; the team's, if its packs are offered no more."""
        found = self.known(team, packs)
        if found is not None:
            return found
        try:
            return await asyncio.to_thread(self.for_key, team, packs)
        except ConfigError:
            return self.for_team(team)

    def reload(self) -> bool:
        """Take changed files; keep the last good policies and say why when they cannot be taken."""
        log = structlog.get_logger("gateway")
        before, self._stamps = self._stamps, ()  # files that cannot be looked at count as changed
        try:
            self._stamps = self._read_stamps()
            if self._stamps == before:
                return False
            fresh, past = load_policies(self._configuration, self._reach.fleet), self._current.keys
            for place in [place for place, laid in list(past.items()) if isinstance(laid, Policy)]:
                fresh.keys[place] = fresh.compiled(*place)
            self._current = fresh
        except (ConfigError, OSError) as error:
            reason = error.message if isinstance(error, ConfigError) else str(error)
            if reason != self.last_error:
                log.warning("policy_reload_refused", reason=reason, kept_revision=self.revision)
            self.last_error = reason
            return False
        self.last_error = None
        log.info("policy_reloaded", revision=self.revision)
        return True

    async def watch(self, every_s: float) -> None:
        """Reload whenever files change, until cancelled."""
        while every_s > 0:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self.reload)

    def _read_stamps(self) -> tuple[tuple[str, int, int], ...]:
        stamps = []
        for path in pack_paths(self._configuration):
            for file in (path, test_file(path)):
                if file.exists():
                    stat = file.stat()
                    stamps.append((str(file), stat.st_mtime_ns, stat.st_size))
        return tuple(stamps)
