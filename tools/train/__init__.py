"""Train the learnt detector: `python -m tools.train --data DIR`."""
