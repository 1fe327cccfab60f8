"""The newest human ask out of what agent clients send, housekeeping calls, and how the work has gone.

Everything about clients is data (`policies/packs/envelopes.yaml`); the code knows only kinds of wrapping.
"""

from policies.envelope.reader import Envelopes, Reading
from policies.envelope.wanted import Wanted

__all__ = ["Envelopes", "Reading", "Wanted"]
