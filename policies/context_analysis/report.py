"""What analysing code yields: one report per file, totals, and ratings of impact and risk.

`None` always means "could not be told"; a number is only given for what was really measured.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Parsed = Literal["whole", "fragment", "unknown"]
"""`whole`: Python that parses, or another language whose brackets and strings close; `fragment`: measured
leniently; `unknown`: not measured, and left out of every total but `coverage`."""


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of code as it was found: a fenced block, a pasted file, or a diff of many files."""

    text: str
    path: str | None = None
    tag: str | None = None
    """The fence's own word for the language, e.g. `py`."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a diff does to one file; lines and hunks counted, never applied."""

    added: int
    removed: int
    hunks: int
    touched: tuple[str, ...] = ()
    """Functions and classes named by the hunk headers, as the headers write them."""


class Construct(msgspec.Struct, frozen=True, kw_only=True):
    """A declared pattern seen in the code: the rule's id and the 1-based line (new side of a diff)."""

    rule: str
    line: int


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """The measures of one file or block."""

    path: str | None
    """None where no path was given, or the one given points outside its tree."""
    language: str | None
    lines: int
    parsed: Parsed
    code_lines: int | None = None
    """Lines that are neither blank nor comment."""
    functions: int | None = None
    classes: int | None = None
    cyclomatic_max: int | None = None
    """Of the functions and of the code outside them (McCabe 1976, as lizard counts)."""
    cyclomatic_mean: float | None = None
    """Of the functions; of the code outside them where there is none."""
    dependencies: tuple[str, ...] | None = None
    """Modules, packages or headers imported, in order of appearance."""
    efferent: int | None = None
    """Distinct dependencies that are not among the given files."""
    afferent: int | None = None
    """How many of the given files import this one; None where only one was given or paths are missing."""
    cohesion: float | None = None
    """1 where the methods of every class hang together, 0 where each stands alone (LCOM4, Hitz & Montazeri
    1995, scaled); Python classes of three methods and more."""
    change: Change | None = None
    """Given when the file came as part of a diff; the measures are then of the hunks' new side."""
    constructs: tuple[Construct, ...] = ()


class ContextReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every file's measures and their totals; a total is None when no file could give it."""

    files: tuple[FileReport, ...] = ()
    coverage: float | None = None
    """Share of the code's bytes that was measured, 0..1; None where there was no code."""
    code_lines: int | None = None
    functions: int | None = None
    classes: int | None = None
    cyclomatic_max: int | None = None
    cyclomatic_mean: float | None = None
    dependencies: int | None = None
    coupling_max: int | None = None
    cohesion_min: float | None = None
    diff_files: int = 0
    added: int = 0
    removed: int = 0
    languages: tuple[str, ...] = ()


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One rule that spoke: its id, how much it weighs, and why in the pack's own words."""

    rule: str
    weight: float
    because: str
    where: str | None = None
    """The path, or path and line, that matched; None for declared context and words."""


class Rating(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one dimension is at stake, 0..1; None where nothing was there to judge by."""

    score: float | None = None
    reasons: tuple[Reason, ...] = ()


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """What the business stands to lose or gain."""

    revenue: Rating = Rating()
    customer: Rating = Rating()
    compliance: Rating = Rating()
    operational: Rating = Rating()
    strategic: Rating = Rating()


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """What could go wrong with the code."""

    security: Rating = Rating()
    performance: Rating = Rating()
    reliability: Rating = Rating()
    maintainability: Rating = Rating()
    compliance: Rating = Rating()
