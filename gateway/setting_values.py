"""What settings are made of: sections, secrets, and the bounds of names and costs."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec

Pace = Annotated[int, msgspec.Meta(ge=1, le=10**12)]
_LONGEST_NAME = 128


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings that stand together; a misspelt one is refused."""


class SecretStr:
    """A text that only who asks for it gets to see: not in a repr, so not in logs and tracebacks."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        """Return that there is a text, if so."""
        return "SecretStr('**********')" if self._text else "SecretStr('')"

    def __eq__(self, other: object) -> bool:
        """Tell whether `other` holds the same text."""
        return isinstance(other, SecretStr) and other._text == self._text

    def __hash__(self) -> int:
        """Return the same for the same text."""
        return hash(self._text)

    def get_secret_value(self) -> str:
        """Return the text."""
        return self._text


def read_secret(shape: type, value: object) -> SecretStr:
    """Return the secret written as `value`; raise ValueError for what is no text."""
    if shape is SecretStr and isinstance(value, str):
        return SecretStr(value)
    raise ValueError("must be text; put it in quotes")


def check_name(field: str, name: str) -> None:
    """Raise ValueError for what is no name; names come in headers, reports and metrics."""
    is_plain = name.isprintable() and name == name.strip()
    if not is_plain or not 0 < len(name) <= _LONGEST_NAME:
        raise ValueError(
            f"`{field}` must be 1 to {_LONGEST_NAME} printable characters, no spaces at the ends"
        )


def check_costs(section: Section) -> None:
    """Raise ValueError for an amount that is none."""
    for field in section.__struct_fields__:
        amount = getattr(section, field)
        if isinstance(amount, Decimal) and not (amount.is_finite() and amount >= 0):
            raise ValueError(f"`{field}` must be a finite number >= 0")
