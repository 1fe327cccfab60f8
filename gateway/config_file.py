"""config.yaml in, Settings out: LiteLLM's keys are tolerated by name, misspelt ones refused with a hint."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.errors import ConfigError
from gateway.settings import Settings
from policies.yaml_lines import Document, DocumentError, nearest, read

ENV_REFERENCE = "os.environ/"
MAX_FILE_BYTES = 4 * 2**20

UNSUPPORTED: Mapping[str, frozenset[str]] = {
    "": frozenset(
        """callback_settings credential_list environment_variables files_settings guardrails
        include litellm_settings mcp_servers prompts search_tools vector_store_registry""".split()
    ),
    "litellm_params": frozenset(
        """additional_drop_params api_version aws_access_key_id aws_region_name
        aws_secret_access_key budget_duration cache_control_injection_points cooldown_time
        custom_llm_provider drop_params extra_headers litellm_credential_name max_budget
        max_retries max_tokens order organization region_name
        stream_timeout tags temperature use_in_pass_through vertex_credentials
        vertex_location vertex_project weight""".split()
    ),
    "model_info": frozenset(
        """access_groups db_model health_check_model input_cost_per_second litellm_provider
        max_tokens output_cost_per_second supports_parallel_function_calling
        supports_prompt_caching supports_reasoning supports_response_schema
        supports_system_messages supports_tool_choice tags version""".split()
    ),
    "router_settings": frozenset(
        """allowed_fails_policy cache_kwargs cache_responses content_policy_fallbacks
        context_window_fallbacks debug_level default_fallbacks
        default_litellm_params disable_cooldowns enable_pre_call_checks max_fallbacks
        model_group_alias model_group_retry_policy optional_pre_call_checks redis_db redis_host
        redis_password redis_port redis_url retry_after retry_policy routing_strategy
        routing_strategy_args set_verbose""".split()
    ),
    "general_settings": frozenset(
        """alerting alerting_args alerting_threshold allow_user_auth background_health_checks
        completion_model custom_auth database_connection_pool_limit database_connection_timeout
        disable_spend_logs enforce_user_param forward_client_headers_to_llm_api
        global_max_parallel_requests health_check_interval infer_model_from_keys
        key_management_settings key_management_system max_parallel_requests max_request_size_mb
        max_response_size_mb maximum_spend_logs_retention_period pass_through_endpoints
        proxy_batch_write_at proxy_budget_rescheduler_max_time proxy_budget_rescheduler_min_time
        salt_key store_model_in_db store_prompts_in_spend_logs ui_access_mode
        use_redis_transaction_buffer""".split()
    ),
}
"""LiteLLM's keys by section that this gateway does not act on: named in a warning, never silently obeyed."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, where they came from, and what a reader should be warned of."""

    settings: Settings
    path: Path | None
    warnings: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    """Environment variables the file refers to that are not set, each with its place."""

    @property
    def folder(self) -> Path:
        """Return the folder that relative paths of the file start from."""
        return self.path.parent if self.path else Path.cwd()


BUILT_IN: Mapping[str, object] = {
    "model_list": [
        {"model_name": "glm-4.5", "litellm_params": {"model": "zai/glm-4.5"}},
        {
            "model_name": "claude-opus-4-1",
            "litellm_params": {"model": "anthropic/claude-opus-4-1-20250805"},
        },
    ],
    "tiers": {"base": ["glm-4.5"], "premium": ["claude-opus-4-1"]},
}
"""What offline commands run on where there is no file; it holds no keys, so it can judge but not serve."""


def default_configuration() -> Configuration:
    """Return the built-in configuration with the environment's overrides."""
    return _settings(dict(BUILT_IN), Document({}), None, ())


def load_configuration(path: Path, *, need_secrets: bool = True) -> Configuration:
    """Read and check a config file; raise ConfigError naming path, line and remedy.

    Without `need_secrets`, environment variables that are not set are left out: offline commands do not
    call anyone.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise ConfigError(f"{reason}; give another file with --config", path=str(path)) from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"larger than {MAX_FILE_BYTES} bytes", path=str(path))
    try:
        document = read(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text; save it as UTF-8", path=str(path)) from None
    except DocumentError as error:
        raise ConfigError(error.message, path=str(path), line=error.line) from None
    if not isinstance(document.value, dict):
        raise ConfigError("must be a mapping of settings, such as `model_list:`", path=str(path), line=1)
    warnings: list[str] = []
    pruned = _pruned(document, document.value, str(path), warnings)
    resolver = _Resolver(document, str(path), need_secrets=need_secrets)
    configuration = _settings(resolver.resolve(pruned, "$"), document, path, tuple(warnings))
    return replace(configuration, unset=tuple(resolver.unset))


def _settings(
    values: dict[str, object], document: Document, path: Path | None, warnings: tuple[str, ...]
) -> Configuration:
    try:
        settings = Settings(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        place = str(path) if path else "environment"
        raise _config_error(_telling(error), document, place) from None
    return Configuration(settings=settings, path=path, warnings=warnings)


def _telling(error: ValidationError) -> ErrorDetails:
    """Return the error that helps most: a misspelt name explains the missing one beside it."""
    errors = error.errors(include_url=False)
    return next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])


def _pruned(
    document: Document, values: dict[str, object], path: str, warnings: list[str]
) -> dict[str, object]:
    """Return the document without LiteLLM's unsupported keys, naming each in `warnings`."""

    def prune(value: object, section: str, place: str) -> object:
        if isinstance(value, list):
            return [prune(item, section, f"{place}[{i}]") for i, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        kept: dict[str, object] = {}
        for key, item in value.items():
            if key in UNSUPPORTED.get(section, ()):
                line = document.line(f"{place}.{key}")
                warnings.append(f"{path}:{line}: `{key}` is a LiteLLM setting this gateway does not act on")
            else:
                kept[key] = prune(item, key, f"{place}.{key}")
        return kept

    result = prune(values, "", "$")
    return result if isinstance(result, dict) else {}


class _Resolver:
    """Replaces `os.environ/NAME` by the variable's value."""

    def __init__(self, document: Document, path: str, *, need_secrets: bool) -> None:
        self._document = document
        self._path = path
        self._need_secrets = need_secrets
        self.unset: list[str] = []

    def resolve(self, value: dict[str, object], place: str) -> dict[str, object]:
        return {key: self._value(item, f"{place}.{key}") for key, item in value.items()}

    def _value(self, value: object, place: str) -> object:
        if isinstance(value, dict):
            return self.resolve(value, place)
        if isinstance(value, list):
            return [self._value(item, f"{place}[{i}]") for i, item in enumerate(value)]
        if isinstance(value, str) and value.startswith(ENV_REFERENCE):
            return self._variable(value.removeprefix(ENV_REFERENCE), place)
        return value

    def _variable(self, name: str, place: str) -> str | None:
        found = os.environ.get(name)
        if found is None:
            self.unset.append(f"`{name}` for {place.removeprefix('$.')}")
        if found is None and self._need_secrets and not place.endswith(".master_key"):
            line = self._document.line(place)
            message = f"environment variable `{name}` is not set; set it or write the value here"
            raise ConfigError(message, path=self._path, line=line)
        return found


def _config_error(error: ErrorDetails, document: Document, path: str) -> ConfigError:
    place = "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    line = document.line(place)
    name = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        section = place.rpartition(".")[0]
        return ConfigError(f"`{section}` has no setting `{name}`{_hint(error['loc'])}", path=path, line=line)
    message = error["msg"].removeprefix("Value error, ")
    return ConfigError(f"`{place}`: {message[:1].lower()}{message[1:]}", path=path, line=line)


def _hint(loc: tuple[int | str, ...]) -> str:
    """Return the nearest valid name, among the fields of the section the unknown one stands in."""
    shape: type[BaseModel] = Settings
    for part in loc[:-1]:
        field = shape.model_fields.get(part) if isinstance(part, str) else None
        inner = getattr(field, "annotation", None) if field else None
        options = (inner, *getattr(inner, "__args__", ()))
        shape = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), shape)
    return nearest(str(loc[-1]), shape.model_fields)
