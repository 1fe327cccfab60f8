from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config_file import load_configuration
from gateway.errors import ConfigError

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
        (GOOD + "server: {port: 99999}\n", 5, "less than or equal to 65535"),
        (GOOD + "server: {port: one}\n", 5, "valid integer"),
        (GOOD + "tiers: {base: []}\n", 5, "given twice"),
        (GOOD.replace("TEST_ZAI_KEY", "TEST_NOT_SET"), 3, "`TEST_NOT_SET` is not set"),
        ("- a list\n", 1, "must be a mapping"),
        ("a: [1\n", 2, "not valid YAML"),
        (GOOD + "teams: [{name: '', budget_usd: -1}]\n", 5, "1 to 128 printable characters"),
        (GOOD + "teams: [{name: a, budget_usd: .nan}]\n", 5, "finite"),
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
