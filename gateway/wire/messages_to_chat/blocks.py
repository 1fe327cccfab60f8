"""Anthropic content blocks into the parts of a chat message."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gateway.errors import InvalidRequest, Unsupported
from gateway.wire.chat_upstream.body import FileData, FilePart, ImagePart, ImageUrl, Part, TextPart
from gateway.wire.chat_upstream.history import PARAGRAPH
from gateway.wire.messages_to_chat.body import Block, BlockSource

Content = str | Sequence[Block] | None


def as_blocks(content: Content) -> Sequence[Block]:
    """Return a content as blocks, whichever way it was written."""
    return [Block("text", text=content)] if isinstance(content, str) else content or ()


def read_parts(blocks: Sequence[Block], place: str) -> list[Part]:
    """Return blocks as parts, without empty texts; raise Unsupported for what chat has no word for."""
    return [part for at, block in enumerate(blocks) for part in read_part(block, f"{place}[{at}]")]


def read_part(block: Block, place: str) -> list[Part]:
    """Return what one block becomes; `place` is where the client wrote it."""
    reader = _READERS.get(block.type)
    if reader is None:
        raise Unsupported(
            f"blocks of type `{block.type}` cannot be sent to this model; use text, images or documents",
            param=f"{place}.type",
        )
    return reader(block, place)


def read_text(blocks: Sequence[Block], place: str) -> str:
    """Return the text of blocks that can hold nothing else."""
    parts = read_parts(blocks, place)
    return PARAGRAPH.join(part.text for part in parts if isinstance(part, TextPart))


def _text(block: Block, _place: str) -> list[Part]:
    return [TextPart(block.text)] if block.text else []


def _image(block: Block, place: str) -> list[Part]:
    source = _source(block, place)
    if source.type == "url" and source.url:
        return [ImagePart(ImageUrl(source.url))]
    if source.type == "base64" and source.data is not None:
        return [ImagePart(ImageUrl(_data_uri(source.media_type or "image/png", source.data)))]
    raise _elsewhere("images", source, place)


def _document(block: Block, place: str) -> list[Part]:
    source = _source(block, place)
    if source.type == "base64" and source.data is not None:
        uri = _data_uri(source.media_type or "application/pdf", source.data)
        return [FilePart(FileData(uri, block.title or "document.pdf"))]
    if source.type == "text" and source.data is not None:
        return [_titled(block, source.data)]
    if source.type == "content":
        inner = as_blocks(source.content)
        return [_titled(block, ""), *read_parts(inner, f"{place}.source.content")]
    raise _elsewhere("documents", source, place)


def _search_result(block: Block, place: str) -> list[Part]:
    origin = block.source if isinstance(block.source, str) else ""
    text = read_text(as_blocks(block.content), f"{place}.content")
    return [TextPart("\n".join(line for line in (block.title, origin, text) if line))]


def _titled(block: Block, text: str) -> Part:
    return TextPart("\n".join(line for line in (block.title, block.context, text) if line))


def _source(block: Block, place: str) -> BlockSource:
    if not isinstance(block.source, BlockSource):
        raise InvalidRequest(f"a block of type `{block.type}` needs a `source`", param=f"{place}.source")
    return block.source


def _elsewhere(what: str, source: BlockSource, place: str) -> Unsupported:
    return Unsupported(
        f"{what} from a source of type `{source.type}` cannot be sent to this model; send them as base64",
        param=f"{place}.source.type",
    )


def _data_uri(media_type: str, data: str) -> str:
    return f"data:{media_type};base64,{data}"


_READERS: Mapping[str, Callable[[Block, str], list[Part]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
}
