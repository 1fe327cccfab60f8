from __future__ import annotations

import base64
from typing import Any

import pytest
from anthropic_samples import text, translated

from gateway.errors import GatewayError, InvalidRequest, Unsupported

PNG = "data:image/png;base64,iVBORw0KGgo="
NOTES = base64.b64encode(b"a,b\n1,2").decode()


def block(part: dict[str, Any]) -> dict[str, Any]:
    """Return the block a part of a user's message becomes."""
    found: dict[str, Any] = translated(messages=[{"role": "user", "content": [part]}])["messages"][0][
        "content"
    ][0]
    return found


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://x.test/a.png", {"type": "url", "url": "https://x.test/a.png"}),
        (PNG, {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}),
        ("data:image/jpg;base64,/9j/", {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}),
        (
            "DATA:image/WEBP;name=a.webp;base64,UklG",
            {"type": "base64", "media_type": "image/webp", "data": "UklG"},
        ),
    ],
)
def test_images(url: str, source: dict[str, str]) -> None:
    """Images travel by URL or inline; `detail` is left out."""
    part = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}

    assert block(part) == {"type": "image", "source": source}


def test_bare_image_url() -> None:
    """Clients that put the url where the object belongs are understood."""
    assert block({"type": "image_url", "image_url": PNG})["source"]["type"] == "base64"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
                "title": "a.pdf",
            },
        ),
        (
            {"file_data": f"data:text/csv;base64,{NOTES}"},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b\n1,2"}},
        ),
        (
            {"file_data": "https://x.test/a.pdf"},
            {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}},
        ),
    ],
)
def test_files(file: dict[str, str], expected: object) -> None:
    """Files become documents: PDFs as they are, texts decoded."""
    assert block({"type": "file", "file": file}) == expected


def test_document_part_passes() -> None:
    """Anthropic's own document parts keep their source, citations and cache mark."""
    part = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "x"},
        "title": "t",
        "citations": {"enabled": True},
        "cache_control": {"type": "ephemeral"},
    }

    assert block(part) == part


def test_null_cache_mark_goes() -> None:
    """A cache mark that is null is no cache mark."""
    assert block(text("a") | {"cache_control": None}) == text("a")


@pytest.mark.parametrize(
    ("part", "kind", "param"),
    [
        ({"type": "input_audio", "input_audio": {"data": ""}}, Unsupported, "messages[0].content[0].type"),
        ({"type": "video_url"}, Unsupported, "messages[0].content[0].type"),
        ({"type": "file", "file": {"file_id": "file-1"}}, Unsupported, "messages[0].content[0].file"),
        ({"type": "image_url"}, InvalidRequest, "messages[0].content[0].image_url.url"),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png,abc"}},
            InvalidRequest,
            "messages[0].content[0].image_url.url",
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,SUkq"}},
            Unsupported,
            "messages[0].content[0].image_url.url",
        ),
        (
            {"type": "file", "file": {"file_data": "data:text/plain;base64,/w=="}},
            InvalidRequest,
            "messages[0].content[0].file.file_data",
        ),
        ({"type": "document"}, InvalidRequest, "messages[0].content[0].source"),
    ],
)
def test_what_cannot_be_sent(part: dict[str, Any], kind: type[GatewayError], param: str | None) -> None:
    """Parts that Anthropic has no word for are refused by name, never dropped in silence."""
    with pytest.raises(kind) as caught:
        block(part)

    assert caught.value.param == param
