"""Typed values out of HTTP requests and into answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Generic, Literal, Protocol, TypeVar, get_args, get_origin

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.errors import InvalidRequest
from gateway.intake import read_body
from gateway.stores.base import Page
from policies.yaml_faults import explain

LONGEST_BODY = 256 * 1024
_MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")
_ETAG = re.compile(r'"(?P<version>\d{1,15})"')
_MOST_VERSIONS = 16


class Record(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> str:
        """Return the id."""
        ...


class Versioned(Record, Protocol):
    """A record whose changes are counted."""

    @property
    def version(self) -> int:
        """Return the number of the last change."""
        ...


Shape = TypeVar("Shape", bound=msgspec.Struct)
Row = TypeVar("Row", bound=Record)


class Paging(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of a list is asked for: so many records past the one with the id `after`."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    after: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9_]+$")] | None = None

    @property
    def page(self) -> Page:
        """Return the page to read: one record more than is shown, to know whether there is another."""
        return Page(limit=self.limit + 1, after=self.after)


class Listing(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """A part of a list, in OpenAI's shape; `last_id` is the next part's `after`."""

    object: Literal["list"] = "list"
    data: Sequence[Row]
    first_id: str | None
    last_id: str | None
    has_more: bool


async def read_json(request: web.Request, shape: type[Shape]) -> Shape:
    """Return the request's body as `shape`; raise InvalidRequest naming the field, or PayloadTooLarge."""
    raw = await read_body(request)
    if len(raw) > LONGEST_BODY:
        raise InvalidRequest(f"the request body is longer than {LONGEST_BODY} bytes; send less")
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        raise misfit(error, shape) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"the request body is not JSON: {str(error)[:200]}") from None


def read_query(request: web.Request, shape: type[Shape]) -> Shape:
    """Return the query string as `shape`; raise InvalidRequest naming the parameter.

    A list is its parameter repeated, plain or with `[]` behind the name.
    """
    lists = {field.encode_name for field in msgspec.structs.fields(shape) if _is_list(field.type)}
    values: dict[str, object] = {}
    for key in request.query:
        name = key.removesuffix("[]")
        given = [value for like in (name, f"{name}[]") for value in request.query.getall(like, [])]
        if name not in lists and len(given) > 1:
            raise InvalidRequest(f"`{name[:64]}` is given twice; keep one", param=name[:64])
        values[name if name in lists else key] = given if name in lists else given[0]
    try:
        return msgspec.convert(values, shape, strict=False)
    except msgspec.ValidationError as error:
        raise misfit(error, shape) from None


def misfit(error: msgspec.ValidationError, shape: type) -> InvalidRequest:
    """Return the error for a body or query that does not fit, with the nearest valid name."""
    message, path = explain(str(error), None, shape)
    missing = _MISSING.search(str(error))
    param = ".".join(part for part in (path[1:].strip("."), missing["name"] if missing else "") if part)
    words = message.replace("`$`", "the request", 1).replace("`$.", "`", 1)
    return InvalidRequest(words.replace("setting", "field", 1)[:600], param=param[:200] or None)


def expected_versions(request: web.Request) -> frozenset[int] | None:
    """Return the versions `If-Match` names (RFC 9110, 13.1.1), None for any; raise InvalidRequest."""
    header = ",".join(request.headers.getall("if-match", [])).strip()
    if header in {"", "*"}:
        return None
    tags = [tag.strip() for tag in header.split(",")]
    found = [_ETAG.fullmatch(tag.removeprefix("W/")) for tag in tags[:_MOST_VERSIONS]]
    if len(tags) > _MOST_VERSIONS or not all(found):
        raise InvalidRequest(
            f"`{header[:64]}` names no version; send the `etag` that came with the record, quotes and all",
            param="if-match",
        )
    weak = [tag.startswith("W/") for tag in tags]  # the strong comparison that is asked for never matches one
    return frozenset(
        int(tag["version"]) for tag, is_weak in zip(found, weak, strict=True) if tag and not is_weak
    )


def answer(value: object, *, status: int = 200) -> web.Response:
    """Return a value as JSON."""
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


def answer_version(value: object, record: Versioned, *, status: int = 200) -> web.Response:
    """Return a value as JSON with the version of the record it shows as ETag."""
    response = answer(value, status=status)
    response.headers["etag"] = f'"{record.version}"'
    return response


async def change_record(
    request: web.Request, actor: str, change: Callable[..., Awaitable[Versioned]], *arguments: object
) -> web.Response:
    """Make a change of the directory at the versions `If-Match` names, and return the record it leaves."""
    record = await change(*arguments, actor=actor, expected=expected_versions(request))
    return answer_version(record, record)


def listing(rows: Sequence[Row], paging: Paging) -> Listing[Row]:
    """Return a page's records in OpenAI's list shape."""
    shown = rows[: paging.limit]
    return Listing(
        data=shown,
        first_id=shown[0].id if shown else None,
        last_id=shown[-1].id if shown else None,
        has_more=len(rows) > paging.limit,
    )


def _is_list(annotation: object) -> bool:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return get_origin(annotation) is list
