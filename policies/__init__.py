"""The part that decides: pure functions over frozen values.

`decide` gives the verdict for one request, `advance` the next step of a plan, `load_pack` a policy from
pack texts. Nothing in this package reads a clock, a file, the environment or the network.
"""

from __future__ import annotations

from policies.engine import decide
from policies.pack import PackError, PackText, load_pack
from policies.plan import advance

__all__ = ["PackError", "PackText", "advance", "decide", "load_pack"]
