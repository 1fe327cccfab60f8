"""The parts of a chat message into Anthropic blocks."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence

from gateway.errors import InvalidRequest, Unsupported
from gateway.wire.anthropic_types import (
    ABSENT,
    DocumentBlock,
    ImageBlock,
    Source,
    TextBlock,
    present,
)
from gateway.wire.chat_to_messages.body import Part

PlainBlock = TextBlock | ImageBlock | DocumentBlock

_DATA_URI = re.compile(r"data:([^;,]*)(?:;[^;,]*)*?(;base64)?,", re.IGNORECASE)
_IMAGE_TYPES = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))
_OTHER_NAMES = {"image/jpg": "image/jpeg"}


def read_content(content: str | Sequence[Part] | None, place: str) -> list[PlainBlock]:
    """Return a message's content as blocks, without blank texts, which Anthropic refuses.

    Raises:
        Unsupported: a kind of part Anthropic has no word for; `param` names it, beginning with `place`.
        InvalidRequest: a part that lacks what its type demands, or a data URI that is none.

    """
    if content is None:
        return []
    if isinstance(content, str):
        return [TextBlock(content)] if content.strip() else []
    found = (_read_part(part, f"{place}[{i}]") for i, part in enumerate(content))
    return [block for block in found if block is not None]


def read_texts(content: str | Sequence[Part] | None, place: str) -> list[TextBlock]:
    """Return the text blocks of a content that can hold nothing else (system messages)."""
    return [block for block in read_content(content, place) if isinstance(block, TextBlock)]


def _read_part(part: Part, place: str) -> PlainBlock | None:
    reader = _READERS.get(part.type)
    if reader is None:
        raise Unsupported(
            f"content parts of type `{part.type}` cannot be sent to this model; use text, images or files",
            param=f"{place}.type",
        )
    block = reader(part, place)
    cache_control = present(part.cache_control)
    if block is not None and cache_control is not ABSENT:
        block.cache_control = cache_control
    return block


def _text(part: Part, _place: str) -> TextBlock | None:
    text = part.text or part.refusal or ""
    return TextBlock(text) if text.strip() else None


def _image(part: Part, place: str) -> PlainBlock:
    url = part.image_url if isinstance(part.image_url, str) else part.image_url and part.image_url.url
    if not url:
        raise InvalidRequest("an `image_url` part needs a url", param=f"{place}.image_url.url")
    if url[:5].lower() != "data:":
        return ImageBlock(Source("url", url=url))
    return _inline(url, f"{place}.image_url.url", title=None)


def _file(part: Part, place: str) -> PlainBlock:
    file = part.file
    if file is None or not file.file_data:
        raise Unsupported(
            "files can only be sent inline here; put the file into `file_data` as a data URI",
            param=f"{place}.file",
        )
    if file.file_data[:5].lower() != "data:":
        return DocumentBlock(Source("url", url=file.file_data), title=file.filename)
    return _inline(file.file_data, f"{place}.file.file_data", title=file.filename)


def _document(part: Part, place: str) -> DocumentBlock:
    if not bytes(part.source):
        raise InvalidRequest("a `document` part needs a `source`", param=f"{place}.source")
    return DocumentBlock(
        part.source, title=part.title, context=part.context, citations=present(part.citations)
    )


def _inline(uri: str, place: str, *, title: str | None) -> PlainBlock:
    head = _DATA_URI.match(uri)
    if head is None or not head[2]:
        raise InvalidRequest("the data URI must read `data:<media type>;base64,<data>`", param=place)
    media_type = _OTHER_NAMES.get(head[1].lower(), head[1].lower())
    data = uri[head.end() :]
    if media_type in _IMAGE_TYPES:
        return ImageBlock(Source("base64", media_type=media_type, data=data))
    if media_type == "application/pdf":
        return DocumentBlock(Source("base64", media_type=media_type, data=data), title=title)
    if media_type.startswith("text/") or media_type == "application/json":
        return DocumentBlock(Source("text", media_type="text/plain", data=_decode(data, place)), title=title)
    raise Unsupported(
        f"data of type `{media_type}` cannot be sent to this model; use JPEG, PNG, GIF, WebP, PDF or text",
        param=place,
    )


def _decode(data: str, place: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidRequest("the data URI does not hold base64 of UTF-8 text", param=place) from error


_READERS: Mapping[str, Callable[[Part, str], PlainBlock | None]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _text,
    "image_url": _image,
    "file": _file,
    "document": _document,
}
