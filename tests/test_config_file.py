from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config_file import load_configuration
from gateway.errors import ConfigError
from gateway.setting_values import SecretStr

Write = Callable[[str], Path]

GOOD = """\
model_list:
  - model_name: glm-4.5
    litellm_params: {model: zai/glm-4.5, api_key: os.environ/TEST_ZAI_KEY}
tiers: {base: [glm-4.5]}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that writes a config file and gives its path."""
    monkeypatch.setenv("TEST_ZAI_KEY", "sk-vendor-secret")

    def write_text(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_text


def test_reads_environment_references(write: Write) -> None:
    """`os.environ/NAME` becomes the variable's value, hidden from every repr."""
    settings = load_configuration(write(GOOD)).settings

    key = settings.model_list[0].litellm_params.api_key
    assert key is not None
    assert key.get_secret_value() == "sk-vendor-secret"
    assert "sk-vendor-secret" not in repr(settings)


def test_environment_beats_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GATEWAY_ variable wins over the file, and the file's other values stay."""
    monkeypatch.setenv("GATEWAY_SERVER__PORT", "4321")

    settings = load_configuration(write(GOOD + "server: {port: 1234, host: 0.0.0.0}\n")).settings

    assert (settings.server.port, settings.server.host) == (4321, "0.0.0.0")  # noqa: S104 - a value, not a socket


@pytest.mark.parametrize(
    ("name", "text", "section", "field", "value"),
    [
        ("GATEWAY_SERVER__MAX_BODY_BYTES", " 4096", "server", "max_body_bytes", 4096),
        ("gateway_log__store_prompts", "Yes", "log", "store_prompts", True),
        ("GATEWAY_WORKFLOWS__ENABLED", "off", "workflows", "enabled", False),
        ("GATEWAY_ROUTER_SETTINGS__TIMEOUT", "12.5", "router_settings", "timeout", 12.5),
        ("GATEWAY_GENERAL_SETTINGS__MASTER_KEY", "true", "general_settings", "master_key", SecretStr("true")),
        ("GATEWAY_GENERAL_SETTINGS__ADMIN_TEAMS", '["a"]', "general_settings", "admin_teams", ["a"]),
        ("GATEWAY_RETENTION__REQUESTS_DAYS", "70", "retention", "requests_days", 70),
        ("GATEWAY_LOG", '{"level": "debug"}', "log", "level", "debug"),
    ],
)
def test_environment_by_type(  # noqa: PLR0913, PLR0917 - a table's columns
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str,
    section: str,
    field: str,
    value: object,
) -> None:
    """A variable is read as the setting's own type; sections, lists and mappings as JSON."""
    monkeypatch.setenv(name, text)

    settings = load_configuration(write(GOOD + "log: {format: console}\n")).settings

    assert getattr(getattr(settings, section), field) == value
    assert settings.log.format == "console"


def test_environment_in_parts(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable for a part wins over one for the whole; mappings take entries; strange ones are left alone."""
    monkeypatch.setenv("GATEWAY_SERVER__PORT", "2")
    monkeypatch.setenv("GATEWAY_SERVER", '{"port": 1, "host": "::1"}')
    monkeypatch.setenv("GATEWAY_ALIASES__FAST", "glm-4.5")
    monkeypatch.setenv("GATEWAY_URL", "http://elsewhere")

    settings = load_configuration(write(GOOD)).settings

    assert (settings.server.port, settings.server.host) == (2, "::1")
    assert settings.aliases == {"fast": "glm-4.5"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("GATEWAY_SERVER__PROT", "1", "did you mean `port`?"),
        ("GATEWAY_SERVER__PORT", "one", "must be a whole number"),
        ("GATEWAY_SERVER__PORT__X", "1", "`$.server.port` must be a whole number"),
        ("GATEWAY_TEAMS", "red", "`GATEWAY_TEAMS` is not valid JSON"),
        ("GATEWAY_SERVER", "[]", "`$.server` must be a mapping"),
    ],
)
def test_refuses_a_bad_variable(
    write: Write, monkeypatch: pytest.MonkeyPatch, name: str, text: str, words: str
) -> None:
    """A variable that cannot be used is refused like a line of the file."""
    monkeypatch.setenv(name, text)

    with pytest.raises(ConfigError) as caught:
        load_configuration(write(GOOD))

    assert words in caught.value.message


def test_names_unsupported_litellm_keys(write: Write) -> None:
    """LiteLLM's own keys are tolerated and named with their line."""
    text = GOOD + "litellm_settings: {drop_params: true}\n"

    configuration = load_configuration(write(text))

    assert len(configuration.warnings) == 1
    assert ":5: `litellm_settings` is a LiteLLM setting" in configuration.warnings[0]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("modle_list: []\n", 1, "did you mean `model_list`?"),
        (GOOD + "router_settings: {num_retires: 2}\n", 5, "did you mean `num_retries`?"),
        (GOOD.replace("model_name", "model_nme"), 2, "did you mean `model_name`?"),
        (GOOD + "server: {port: 99999}\n", 5, "`$.server.port` must be a whole number <= 65535"),
        (GOOD + "server: {port: one}\n", 5, "must be a whole number, not text"),
        (GOOD + "tiers: {base: []}\n", 5, "given twice"),
        (GOOD.replace("TEST_ZAI_KEY", "TEST_NOT_SET"), 3, "`TEST_NOT_SET` is not set"),
        ("- a list\n", 1, "must be a mapping"),
        ("a: [1\n", 2, "not valid YAML"),
        (GOOD + "teams: [{name: '', budget_usd: -1}]\n", 5, "1 to 128 printable characters"),
        (GOOD + "teams: [{name: a, budget_usd: .nan}]\n", 5, "finite"),
        (GOOD + "teams:\n  - name: a\n    budget_usd: 0\n", 7, "`$.teams[0]`: `budget_usd` must be"),
        (GOOD + "teams: [{name: a}, {name: a}]\n", 1, "`a` is declared twice"),
        (GOOD.replace("glm-4.5\n", "auto\n"), 2, "give the deployment another name"),
        (GOOD.replace("api_key:", "input_cost_per_token: -1, api_key:"), 3, "`input_cost_per_token` must be"),
        (GOOD + "general_settings: {budget_alerts: [.inf]}\n", 5, "finite"),
        (GOOD + "general_settings: {master_key: 12}\n", 5, "must be text; put it in quotes"),
        (GOOD + "log: {level: loud}\n", 5, "not one of `debug`, `info`, `warning`, `error`"),
        (GOOD + "retention: {requests_days: 61}\n", 5, ">= 62"),
        (GOOD + "policy: 3\n", 5, "must be a mapping"),
    ],
)
def test_refuses_with_line_and_remedy(write: Write, text: str, line: int, words: str) -> None:
    """A setting that cannot be used names path, line and what to do."""
    path = write(text)

    with pytest.raises(ConfigError) as caught:
        load_configuration(path)

    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert words in caught.value.message
    assert "sk-vendor-secret" not in caught.value.message


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is a configuration error, not a traceback."""
    with pytest.raises(ConfigError, match="no such file"):
        load_configuration(tmp_path / "nowhere.yaml")


def test_offline_needs_no_secrets(write: Write) -> None:
    """Commands that call nobody do without the vendors' keys."""
    path = write(GOOD.replace("TEST_ZAI_KEY", "TEST_NOT_SET"))

    settings = load_configuration(path, need_secrets=False).settings

    assert settings.model_list[0].litellm_params.api_key is None
