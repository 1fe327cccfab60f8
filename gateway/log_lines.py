"""How log lines look and where they go; no secret passes, wherever in a line it stands."""

from __future__ import annotations

import logging
import re
import sys
from typing import TextIO

import msgspec
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from gateway.clock import iso_now
from gateway.settings import LogSettings

_SECRET = re.compile(
    r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt]))(?:sk|gw|pk|key)-[A-Za-z0-9_-]{8,}"
    r"|(?i:bearer)\s+[A-Za-z0-9._~+/=-]{8,}"
)
"""Also right after an escaped line end, where the letter before is none of the text's."""
_MARKS = ("sk-", "gw-", "pk-", "key-", "bearer")
"""What every secret holds in lower case; searching for these costs a tenth of the pattern."""
_REDACTED = "[redacted]"
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
"""Never with local variables: they hold keys and prompts."""

_ENCODER = msgspec.json.Encoder(enc_hook=repr)


def redact(text: str) -> str:
    """Return `text` with whatever looks like a key or bearer token replaced."""
    lowered = text.lower()
    for mark in _MARKS:
        if mark in lowered:
            return _SECRET.sub(_REDACTED, text)
    return text


def redacting(renderer: Processor) -> Processor:
    """Return the renderer with its whole line redacted, tracebacks included."""

    def render(logger: WrappedLogger, name: str, event: EventDict) -> str:
        return redact(str(renderer(logger, name, event)))

    return render


def configure_logging(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records to `stream` (standard error) in one format."""
    level = getattr(logging, settings.level.upper())
    structlog.configure(
        processors=[_to_json] if settings.format == "json" else _for_people(),
        wrapper_class=_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[_Forward()], force=True)


def _for_people() -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redacting(renderer),
    ]


def _to_json(logger: WrappedLogger, name: str, event: EventDict) -> str:
    """Return the whole line; one step instead of a chain of them, as every request ends in a line."""
    structlog.processors.add_log_level(logger, name, event)
    event["timestamp"] = iso_now()
    if "exc_info" in event:
        event = _TRACEBACKS(logger, name, event)
    return redact(_ENCODER.encode(event).decode())


def _bound_logger(level: int) -> type[structlog.typing.FilteringBoundLogger]:
    """Return the loggers' type, which makes one table of a line's fields where the library makes three."""

    class Bound(structlog.make_filtering_bound_logger(level)):  # type: ignore[misc]  # made at run time
        def _proxy_to_logger(self, method_name: str, event: str | None = None, **fields: object) -> None:
            line = {**self._context, **fields} if self._context else fields
            line["event"] = event
            for process in self._processors:
                line = process(self._logger, method_name, line)
            getattr(self._logger, method_name)(line)

    return Bound


class _Forward(logging.Handler):
    """Carries the standard library's warnings into structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        event: dict[str, object] = {"logger": record.name}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        structlog.get_logger().log(record.levelno, record.getMessage(), **event)
