"""How a client's dialect meets a deployment: which of its dialects, over what, through which translation."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from gateway.exchange import Call, ChatRequest, Target, Upstream
from gateway.fleet import Endpoint
from gateway.wire import Bridges
from gateway.wire.base import Bridge
from policies.facts import Dialect
from policies.policy import Deployment


class Routes(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a call can go through."""

    endpoints: Mapping[str, Mapping[Dialect, Endpoint]]
    upstreams: Mapping[str, Upstream]
    """By transport name."""
    bridges: Bridges


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """The way of one client dialect to one deployment."""

    deployment: Deployment
    dialect: Dialect
    """What is spoken to the vendor."""
    endpoint: Endpoint
    target: Target
    bridge: Bridge
    upstream: Upstream

    def call(self, request: ChatRequest, left_s: float) -> Call:
        """Return the call that carries a request, `left_s` seconds before its time is up.

        Raises Unsupported or InvalidRequest for what the vendor cannot be asked.
        """
        end = self.endpoint
        timeouts = end.timeouts
        if left_s <= timeouts.total_s:
            timeouts = replace(timeouts, total_s=max(0.001, left_s))
        return Call(
            deployment=self.deployment.id,
            url=end.url,
            headers=end.headers,
            body=self.bridge.request(request, self.target),
            stream=request.stream,
            timeouts=timeouts,
        )


class Lanes:
    """Hands out lanes, found once for each pair of client dialect and deployment."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._found: dict[tuple[Dialect, str], Lane] = {}

    def between(self, client: Dialect, deployment: Deployment) -> Lane:
        """Return the lane of a pair; raise Unsupported where the dialects cannot be bridged."""
        place = client, deployment.id
        lane = self._found.get(place)
        if lane is None or lane.deployment is not deployment:
            lane = self._found[place] = self._find(client, deployment)
        return lane

    def _find(self, client: Dialect, deployment: Deployment) -> Lane:
        dialect = client if client in deployment.dialects else deployment.dialects[0]
        endpoint = self._routes.endpoints[deployment.id][dialect]
        return Lane(
            deployment=deployment,
            dialect=dialect,
            endpoint=endpoint,
            target=Target(
                deployment=deployment.id,
                provider=deployment.provider,
                model=deployment.model,
                dialect=dialect,
                max_output_tokens=deployment.card.max_output_tokens,
            ),
            bridge=self._routes.bridges.between(client, dialect, deployment.provider),
            upstream=self._routes.upstreams[endpoint.transport],
        )
