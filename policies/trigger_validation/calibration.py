"""Shares estimated from few outcomes: a beta-binomial posterior, shrunk toward what all triggers do together.

With `weight` imagined outcomes at the prior's share, k of n real ones give Beta(weight * prior + k,
weight * (1 - prior) + n - k); see Gelman et al., Bayesian Data Analysis, 3rd ed., 2.4 and 5.3.
"""

from __future__ import annotations

import math

import msgspec

_STEPS = 200
_TINY = 1e-300
_CLOSE = 1e-14


class Calibrated(msgspec.Struct, frozen=True, kw_only=True):
    """A share with how surely it is known: posterior mean, central interval, and the outcomes behind it."""

    mean: float
    low: float
    high: float
    sample: int


def calibrate(hits: int, sample: int, *, prior: float, weight: float, interval: float) -> Calibrated:
    """Return the posterior of a share of `hits` in `sample` with `interval` of its mass in `low`..`high`."""
    a = weight * min(max(prior, 0.001), 0.999) + hits
    b = weight * (1.0 - min(max(prior, 0.001), 0.999)) + sample - hits
    tail = (1.0 - interval) / 2.0
    return Calibrated(
        mean=round(a / (a + b), 4),
        low=round(beta_quantile(tail, a, b), 4),
        high=round(beta_quantile(1.0 - tail, a, b), 4),
        sample=sample,
    )


def pooled(hits: int, sample: int) -> float:
    """Return the share over all triggers, by Laplace's rule; a half where nothing is known."""
    return (hits + 1.0) / (sample + 2.0)


def beta_quantile(share: float, a: float, b: float) -> float:
    """Return where the distribution Beta(a, b) has `share` of its mass below, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if beta_share(middle, a, b) < share else (low, middle)
    return (low + high) / 2.0


def beta_share(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b) (Numerical Recipes, 3rd ed., 6.4)."""
    if x <= 0.0 or x >= 1.0:
        return min(max(x, 0.0), 1.0)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(x, a, b) / a
    return 1.0 - front * _fraction(1.0 - x, b, a) / b


def binomial_tail(hits: int, sample: int) -> float:
    """Return how probable `hits` heads or more are in `sample` fair throws (the exact sign test)."""
    if hits <= 0:
        return 1.0
    return beta_share(0.5, float(hits), float(sample - hits + 1))


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1.0 / _apart(1.0 - (a + b) * x / (a + 1.0))
    result = d
    for m in range(1, _STEPS):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0)),
        ):
            d = 1.0 / _apart(1.0 + step * d)
            c = _apart(1.0 + step / c)
            result *= c * d
        if abs(c * d - 1.0) < _CLOSE:
            break
    return result


def _apart(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
