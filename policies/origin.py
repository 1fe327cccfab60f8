"""Where a rule comes from: whose layer of the policy, and which pack in it."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["organisation", "team", "key"]
"""Layers from the lowest to the highest: a later one is laid over an earlier one."""


class Origin(msgspec.Struct, frozen=True):
    """A pack and the layer it stands in."""

    level: Level
    pack: str

    def __str__(self) -> str:
        """Return it as people read it, e.g. `team/strict`."""
        return f"{self.level}/{self.pack}" if self.pack else "built in"


NOWHERE = Origin("organisation", "")
"""What no pack says: a value the engine ships with."""
