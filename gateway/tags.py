"""The tags a caller files a request's cost under, by header or body. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.errors import InvalidRequest

TAGS_HEADERS = ("x-gateway-tags", "x-litellm-tags")
TAGS_FIELD = "tags"
"""The member of `metadata`: a list, or names with commas between."""
MAX_TAGS = 16
MAX_TAG_CHARS = 64


def read_tags(metadata: Mapping[str, str] | None, headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the tags of header and body together; raise InvalidRequest for too many or unusable ones."""
    found: dict[str, str] = {}
    for place in TAGS_HEADERS:
        if place in headers:
            found |= _named(headers[place], place)
    if metadata and TAGS_FIELD in metadata:
        found |= _named(metadata[TAGS_FIELD], "metadata.tags")
    if not found:
        return ()
    if len(found) > MAX_TAGS:
        param = next(iter(found.values()))
        raise InvalidRequest(f"a request has at most {MAX_TAGS} tags; leave some out", param=param)
    return tuple(sorted(found))


def _named(text: str, place: str) -> dict[str, str]:
    """Return the tags in a list with commas, each with where it stands."""
    tags = [tag for part in text.split(",") if (tag := part.strip())]
    for tag in tags:
        if len(tag) > MAX_TAG_CHARS or not tag.isprintable():
            raise InvalidRequest(
                f"`{tag[:MAX_TAG_CHARS]!a}` is not a tag; use at most {MAX_TAG_CHARS} printable characters",
                param=place,
            )
    return dict.fromkeys(tags, place)
