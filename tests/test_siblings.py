from __future__ import annotations

from gateway.siblings import merge

ONE = """# HELP a_total Things.
# TYPE a_total counter
a_total{team="red"} 1.0
a_total{team="x{y"} 2.0
# HELP up Whether.
# TYPE up gauge
up 1.0
"""
TWO = '# HELP a_total Things.\n# TYPE a_total counter\na_total{team="red"} 5.0\n'


def test_merge() -> None:
    """Families stay together, and every sample says whose it is."""
    assert merge([("0", ONE), ("1", TWO)]).decode() == (
        "# HELP a_total Things.\n# TYPE a_total counter\n"
        'a_total{worker="0",team="red"} 1.0\na_total{worker="0",team="x{y"} 2.0\na_total{worker="1",team="red"} 5.0\n'
        '# HELP up Whether.\n# TYPE up gauge\nup{worker="0"} 1.0\n'
    )
