"""What a reading of a conversation still wants, for whoever yields its turns."""

from __future__ import annotations


class Wanted:
    """Says what may be left out; it changes as the reading goes on."""

    __slots__ = ("people_only", "system")

    def __init__(self) -> None:
        self.people_only = False
        """Nothing but what people or the system say: nobody has asked for anything yet."""
        self.system = True
        """What the system says, which is wanted until its beginning is known."""
