"""How deployments are declared, in LiteLLM's shape."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from gateway.setting_values import Pace, SecretStr, Section, check_costs, check_name


class LitellmParams(Section, frozen=True):
    """How to reach the vendor (LiteLLM's `litellm_params`)."""

    model: Annotated[str, Meta(description="`provider/model`; zai/, openai/ and anthropic/ are native.")]
    api_base: Annotated[
        str | None, Meta(description="Base URL of the vendor's API; each provider has a default.")
    ] = None
    api_key: Annotated[SecretStr | None, Meta(description="Vendor key, best as `os.environ/NAME`.")] = None
    input_cost_per_token: Annotated[Decimal | None, Meta(description="USD; overrides the price table.")] = (
        None
    )
    output_cost_per_token: Annotated[Decimal | None, Meta(description="USD; overrides the price table.")] = (
        None
    )
    timeout: Annotated[
        Annotated[float, Meta(gt=0, le=7200)] | None, Meta(description="Total seconds for one attempt.")
    ] = None
    proxy: Annotated[
        SecretStr | None,
        Meta(
            description="URL of an HTTP proxy to reach the vendor through; `environment` heeds HTTPS_PROXY."
        ),
    ] = None
    rpm: Annotated[Pace | None, Meta(description="Requests per minute sent to the deployment.")] = None
    tpm: Annotated[Pace | None, Meta(description="Tokens per minute used there.")] = None
    max_parallel_requests: Annotated[Pace | None, Meta(description="Calls to it at a time.")] = None

    def __post_init__(self) -> None:
        """Raise ValueError for what no type can refuse."""
        check_costs(self)


class ModelInfo(Section, frozen=True):
    """What the deployment can take (LiteLLM's `model_info`); what is left out comes from the price table."""

    id: Annotated[
        str | None, Meta(description="Deployment id; defaults to the model name, numbered if shared.")
    ] = None
    base_model: Annotated[str | None, Meta(description="`provider/model` whose price and limits apply.")] = (
        None
    )
    anthropic_api_base: Annotated[
        str | None, Meta(description="Base URL of the same model in Anthropic's dialect.")
    ] = None
    input_cost_per_token: Annotated[Decimal | None, Meta(description="USD; overrides the price table.")] = (
        None
    )
    output_cost_per_token: Annotated[Decimal | None, Meta(description="USD; overrides the price table.")] = (
        None
    )
    cache_read_input_token_cost: Annotated[
        Decimal | None, Meta(description="USD per cached input token.")
    ] = None
    cache_creation_input_token_cost: Annotated[
        Decimal | None, Meta(description="USD per written cache token.")
    ] = None
    max_input_tokens: Annotated[
        Annotated[int, Meta(gt=0)] | None, Meta(description="Context window in tokens.")
    ] = None
    max_output_tokens: Annotated[
        Annotated[int, Meta(gt=0)] | None, Meta(description="Longest answer in tokens.")
    ] = None
    supports_vision: Annotated[bool | None, Meta(description="Whether images may be sent.")] = None
    supports_function_calling: Annotated[bool | None, Meta(description="Whether tools may be sent.")] = None
    mode: Annotated[
        Literal["chat", "responses", "embedding"] | None,
        Meta(
            description="`embedding`: serves /v1/embeddings and nothing else. Known models need not say it."
        ),
    ] = None

    def __post_init__(self) -> None:
        """Raise ValueError for what no type can refuse."""
        check_costs(self)


class ModelEntry(Section, frozen=True):
    """One deployment; several with the same `model_name` share the load in order."""

    model_name: Annotated[str, Meta(description="The name clients ask for.")]
    litellm_params: LitellmParams
    model_info: ModelInfo = ModelInfo()

    def __post_init__(self) -> None:
        """Raise ValueError for what no type can refuse."""
        check_name("model_name", self.model_name)
        if self.model_name == "auto":
            raise ValueError("`model_name` `auto` is what policy routes; give the deployment another name")
