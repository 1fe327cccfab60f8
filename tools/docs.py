"""Writes the documents that are made from code; `--check` says which are stale instead.

python -m tools.docs [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import get_args, get_origin

import click
import msgspec
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from gateway import errors, openapi
from gateway.cli import COMMANDS, gateway
from gateway.routers import ROUTES
from gateway.settings import Settings
from gateway.telemetry import Telemetry
from policies.pack_document import PackDoc

ROOT = Path(__file__).resolve().parent.parent
_NOTE = "<!-- made by `python -m tools.docs`; edit the code instead -->\n\n"


def settings_page() -> str:
    """Return every setting with its variable, default and meaning."""
    lines = [_NOTE + "# Settings\n"]
    lines.append("Environment variables win over `config.yaml`. Lists are JSON in the environment.\n")
    lines += _section(Settings, "", "GATEWAY_")
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Return the error taxonomy: class, HTTP status, OpenAI and Anthropic types, code, meaning."""
    lines = [_NOTE + "# Errors\n", "| class | HTTP | OpenAI `type` | Anthropic `type` | `code` | meaning |"]
    lines.append("|---|---|---|---|---|---|")
    for error in _subclasses(errors.GatewayError):
        meaning = (error.__doc__ or "").split("\n")[0]
        cells = (error.__name__, error.status, error.type, error.anthropic_type, error.code or "", meaning)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def endpoints_page() -> str:
    """Return every endpoint with the scope it needs."""
    lines = [_NOTE + "# Endpoints\n", "| method | path | scope | what |", "|---|---|---|---|"]
    for route in ROUTES:
        scope = getattr(route, "scope", "public")
        lines.append(f"| {route.method} | `{openapi.plain_path(route.path)}` | {scope} | {route.summary} |")
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """Return every command with its arguments and options."""
    lines = [_NOTE + "# Commands\n", "`gateway COMMAND --help` says the same."]
    for name in COMMANDS:
        command = gateway.get_command(click.Context(gateway), name)
        if command is not None:
            lines += _command(command, f"gateway {name}")
    return "\n".join(lines) + "\n"


def _command(command: click.Command, name: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for part, inner in sorted(command.commands.items()):
            yield from _command(inner, f"{name} {part}")
        return
    context = click.Context(command, info_name=name)
    yield f"\n## `{' '.join((name, *command.collect_usage_pieces(context)))}`\n"
    yield cleandoc(command.help or "")
    records = [
        option.get_help_record(context) for option in command.params if isinstance(option, click.Option)
    ]
    told = [f"| `{record[0].replace('|', '/')}` | {record[1]} |" for record in records if record]
    if told:
        yield "\n".join(("", "| option | meaning |", "|---|---|", *told))


def metrics_page() -> str:
    """Return every metric with its labels."""
    lines = [_NOTE + "# Metrics\n", "| metric | type | meaning |", "|---|---|---|"]
    lines += [f"| `{f.name}` | {f.type} | {f.documentation} |" for f in Telemetry().registry.collect()]
    return "\n".join(lines) + "\n"


def openapi_page() -> str:
    """Return the OpenAPI document."""
    return msgspec.json.format(msgspec.json.encode(openapi.document(ROUTES)), indent=2).decode() + "\n"


def pack_schema() -> str:
    """Return the JSON schema of a pack file, for editors."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(PackDoc)}
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/settings.md": settings_page,
    "docs/errors.md": errors_page,
    "docs/endpoints.md": endpoints_page,
    "docs/metrics.md": metrics_page,
    "docs/commands.md": commands_page,
    "docs/openapi.json": openapi_page,
    "policies/packs/schema.json": pack_schema,
}
"""Path from the project's root, and what makes its text."""


def stale() -> list[str]:
    """Return the paths of documents that differ from what the code says."""
    return [name for name, page in PAGES.items() if not _same(ROOT / name, page())]


def main(arguments: list[str]) -> int:
    """Write the documents, or check them."""
    if "--check" in arguments:
        for name in stale():
            print(f"{name} is stale; run `python -m tools.docs`")
        return 1 if stale() else 0
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), encoding="utf-8")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _section(shape: type[BaseModel], path: str, variable: str) -> Iterator[str]:
    """Yield the table of a section, then its sub-sections."""
    title = path or "Top level"
    yield f"## {title}\n\n{(shape.__doc__ or '').strip()}\n"
    yield "| setting | environment | type | default | meaning |"
    yield "|---|---|---|---|---|"
    inner: list[tuple[type[BaseModel], str, str]] = []
    for name, field in shape.model_fields.items():
        nested = _model_in(field.annotation)
        is_list = get_origin(field.annotation) is list
        if nested is not None:
            place = f"{path}.{name}".lstrip(".") + ("[]" if is_list else "")
            inner.append((nested, place, f"{variable}{name.upper()}__"))
        if nested is None or is_list:
            yield _row(name, field, "" if "[]" in path else f"`{variable}{name.upper()}`")
    yield ""
    for nested, nested_path, nested_variable in inner:
        yield from _section(nested, nested_path, nested_variable)


def _row(name: str, field: FieldInfo, variable: str) -> str:
    required = field.is_required()
    default = field.get_default(call_default_factory=True) if not required else None
    shown = default.get_secret_value() if isinstance(default, SecretStr) else default
    text = "required" if required else f"`{shown}`" if shown not in (None, "") else ""
    return f"| `{name}` | {variable} | {_type_name(field.annotation)} | {text} | {field.description or ''} |"


def _model_in(annotation: object) -> type[BaseModel] | None:
    for option in (annotation, *get_args(annotation)):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _type_name(annotation: object) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    for noise in ("typing.", "pydantic.types.", "gateway.settings.", "decimal."):
        text = text.replace(noise, "")
    return text.replace("|", "or")


def _subclasses(root: type[errors.GatewayError]) -> Iterator[type[errors.GatewayError]]:
    for child in root.__subclasses__():
        yield child
        yield from _subclasses(child)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
