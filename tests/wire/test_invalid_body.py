from __future__ import annotations

import msgspec
import pytest

from gateway.wire.invalid_body import invalid_body


class Inner(msgspec.Struct):
    """A nested object."""

    n: int


class Body(msgspec.Struct):
    """A body to read."""

    inner: Inner


@pytest.mark.parametrize(
    ("raw", "param", "message"),
    [
        (b'{"inner":{"n":"x"}}', "inner.n", "`inner.n` is not valid: expected `int`, got `str`"),
        (b'{"inner":{}}', "inner.n", "`inner.n` is missing; it is required"),
        (b"{}", "inner", "`inner` is missing; it is required"),
        (b"[]", None, "the request body cannot be read as a JSON object: expected `object`, got `array`"),
    ],
)
def test_field_at_fault_is_named(raw: bytes, param: str | None, message: str) -> None:
    """The error names the field and says what is wrong with it."""
    with pytest.raises(msgspec.DecodeError) as caught:
        msgspec.json.decode(raw, type=Body)

    error = invalid_body(caught.value)

    assert (error.param, error.message) == (param, message)
