"""The shipped fake of the vendors: a real server on loopback that can be told to fail.

    async with serve_scripted() as vendors:
        vendors.script("glm-4.5", Scenario(status=429, retry_after=34))

A client is pointed at `vendors.zai_url`, `.zai_anthropic_url`, `.openai_url` or `.anthropic_url`; any key
will do but `sk-wrong`. A URL can carry its own scenario, which wins over the script:
`{vendors.url}/scenario/cut_after_events=3,delay_event_ms=20/v1`. `vendors.calls` is what arrived.
"""

from __future__ import annotations

from gateway.upstreams.scripted.app import Vendors, serve_scripted
from gateway.upstreams.scripted.calls import VendorCall
from gateway.upstreams.scripted.scenario import Scenario, Script

__all__ = ["Scenario", "Script", "VendorCall", "Vendors", "serve_scripted"]
