from __future__ import annotations

from decimal import Decimal

import pytest

from gateway.config_file import Configuration
from gateway.errors import ConfigError
from gateway.fleet import Reach
from gateway.pack_files import load_reach
from gateway.settings import Settings


def reach(entries: list[dict[str, object]], **more: object) -> Reach:
    """Build the reach of some model entries."""
    settings = Settings(model_list=entries, **more)
    return load_reach(Configuration(settings=settings, path=None))


def entry(
    name: str, model: str, info: dict[str, object] | None = None, **params: object
) -> dict[str, object]:
    """Return one model entry."""
    return {"model_name": name, "litellm_params": {"model": model, **params}, "model_info": info or {}}


def test_native_endpoints_by_dialect() -> None:
    """GLM is reached in both dialects, each with its own URL and way to send the key."""
    info = {"anthropic_api_base": "https://api.z.ai/api/anthropic"}
    built = reach([entry("glm", "zai/glm-4.5", info, api_key="k")])

    endpoints = built.endpoints["glm"]
    assert endpoints["chat"].url == "https://api.z.ai/api/paas/v4/chat/completions"
    assert endpoints["chat"].headers["authorization"] == "Bearer k"
    assert endpoints["messages"].url == "https://api.z.ai/api/anthropic/v1/messages"
    assert endpoints["messages"].headers["x-api-key"] == "k"


def test_other_prefixes_go_through_litellm() -> None:
    """A provider that is not native keeps its full name for the library."""
    built = reach([entry("gem", "gemini/gemini-2.5-pro", {"base_model": "openai/gpt-4.1"})])

    assert built.endpoints["gem"]["chat"].transport == "litellm"
    assert built.fleet.deployments["gem"].model == "gemini/gemini-2.5-pro"


def test_keys_stay_out_of_reprs() -> None:
    """Nothing that is printed of the reach holds a vendor key."""
    assert "very-secret" not in repr(reach([entry("glm", "zai/glm-4.5", api_key="very-secret")]))


def test_unpriced_model_refuses() -> None:
    """A model nobody has priced is an error at start, with the nearest known name."""
    with pytest.raises(ConfigError, match="no price is known for `anthropic/claude-opus-4-11`; did you mean"):
        reach([entry("opus", "anthropic/claude-opus-4-11")])


def test_own_price_is_exact() -> None:
    """LiteLLM's per-token prices become prices per million without loss."""
    prices = {"input_cost_per_token": "0.0000006", "output_cost_per_token": "0.0000022"}
    card = reach([entry("own", "openai/mine", prices)]).fleet.deployments["own"].card

    assert (card.prices[0].input, card.prices[0].output) == (Decimal("0.6"), Decimal("2.2"))


def test_shared_names_are_numbered() -> None:
    """Two deployments of one name have two ids and one order."""
    both = [entry("glm", "zai/glm-4.5"), entry("glm", "zai/glm-4.6")]
    built = reach(both, tiers={"base": ["glm"]})

    assert built.fleet.tiers["base"] == ("glm", "glm#2")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"tiers": {"base": ["glmm"]}},
            "`tiers.base` names `glmm`, which is not in model_list; did you mean",
        ),
        ({"router_settings": {"fallbacks": [{"glm": ["opus"]}]}}, "router_settings.fallbacks` names `opus`"),
    ],
)
def test_names_must_exist(more: dict[str, object], words: str) -> None:
    """Tiers and fallbacks may only name configured models."""
    with pytest.raises(ConfigError) as caught:
        reach([entry("glm", "zai/glm-4.5")], **more)

    assert words in caught.value.message


def test_self_hosted_needs_base() -> None:
    """A provider without a public home must be told where it lives."""
    prices = {"input_cost_per_token": 0, "output_cost_per_token": 0}
    with pytest.raises(ConfigError, match=r"needs litellm_params\.api_base"):
        reach([entry("own", "hosted_vllm/mine", prices)])


def test_embedding_models_are_known() -> None:
    """The price table or `mode` says which deployments embed; they need no output price."""
    info = {"mode": "embedding", "input_cost_per_token": "0.00000002"}
    built = reach(
        [
            entry("a", "openai/text-embedding-3-small"),
            entry("b", "openai_like/bge", info, api_base="http://x"),
        ]
    )

    assert {d.dialects for d in built.fleet.deployments.values()} == {("embeddings",)}
    assert built.endpoints["b"]["embeddings"].url == "http://x/embeddings"
    assert built.fleet.deployments["b"].card.prices[0].output == 0


@pytest.mark.parametrize(
    ("model", "tiers", "complaint"),
    [
        ("openai/text-embedding-3-small", {"base": ["e"]}, "which only embeds"),
        ("anthropic/claude-opus-4-1", {}, "`anthropic` serves no embeddings"),
    ],
)
def test_embedding_misfits_refuse(model: str, tiers: dict[str, object], complaint: str) -> None:
    """A tier of vectors, or a vendor that has none, is an error at start."""
    with pytest.raises(ConfigError, match=complaint):
        reach([entry("e", model, {"mode": "embedding"})], tiers=tiers)


def test_library_embeds_for_the_rest() -> None:
    """Embeddings of a provider that is not native go through the library's own function for them."""
    info = {"mode": "embedding", "input_cost_per_token": "0.00000002"}
    assert (
        reach([entry("e", "voyage/voyage-3", info)]).endpoints["e"]["embeddings"].transport
        == "litellm_embeddings"
    )


def test_proxies_share_their_client() -> None:
    """Deployments behind one proxy share a transport; its password is not shown."""
    info = {"anthropic_api_base": "https://api.z.ai/api/anthropic"}
    built = reach(
        [
            entry("a", "zai/glm-4.5", info, proxy="http://u:hidden-word@proxy:3128"),
            entry("b", "anthropic/claude-opus-4-1", proxy="http://u:hidden-word@proxy:3128"),
            entry("c", "zai/glm-4.5", proxy="environment"),
            entry("d", "zai/glm-4.5"),
        ]
    )
    assert sorted(built.proxies().values()) == ["environment", "http://u:hidden-word@proxy:3128"]
    assert len({e.transport for d in ("a", "b") for e in built.endpoints[d].values()}) == 1
    assert built.endpoints["d"]["chat"].transport == "http"
    assert "hidden-word" not in repr(built)


def test_strange_proxy_refuses() -> None:
    """Something else than an HTTP proxy is an error at start that does not repeat it."""
    with pytest.raises(ConfigError, match="is no HTTP proxy") as caught:
        reach([entry("a", "zai/glm-4.5", proxy="socks5://u:hidden-word@proxy")])
    assert "hidden-word" not in str(caught.value)
