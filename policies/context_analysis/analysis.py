"""Code in, measures out: the one entry point that puts the single measures together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from policies.context_analysis import complexity, dependencies, python_code
from policies.context_analysis.language_table import Language
from policies.context_analysis.languages import detect
from policies.context_analysis.lexing import Lexed, bracket_excess, lex
from policies.context_analysis.material import Piece, Sources, read_pieces
from policies.context_analysis.report import Construct, ContextReport, FileReport, Parsed
from policies.context_analysis.rules import Rules

LIMIT_BYTES = 262_144


class _Measured(msgspec.Struct, frozen=True):
    """A file's report and what the totals need besides."""

    report: FileReport
    size: int
    kept: int


def analyze_code(
    sources: Sources, *, rules: Rules | None = None, limit_bytes: int = LIMIT_BYTES
) -> ContextReport:
    """Return the measures of code given as {path: text} or as snippets; total, and never runs the code.

    At most `limit_bytes` of it are read, 64 KiB a file; `coverage` says how much that was. With `rules`,
    the declared constructs are looked for as well: in a diff, only among the added lines.
    """
    measured = [_measure(piece, rules) for piece in read_pieces(sources, limit_bytes)]
    return _total(_coupled(measured))


def _measure(piece: Piece, rules: Rules | None) -> _Measured:
    text = "\n".join(piece.chunks)
    language = detect(text, path=piece.path, tag=piece.tag)
    report = FileReport(
        path=piece.path,
        language=language.name if language else None,
        lines=piece.lines,
        parsed="unknown",
        change=piece.change,
    )
    lexed = _joined([lex(chunk, language.style if language else "data") for chunk in piece.chunks])
    if rules is not None and piece.chunks:
        report = replace(report, constructs=_constructs(lexed, piece, rules, report.language))
    if language is None or not piece.chunks:
        return _Measured(report, piece.size, 0)
    branches = _complexity(piece, language)
    if language.reader and branches is None:
        return _Measured(report, piece.size, 0)
    return _Measured(_filled(report, piece, language, lexed, branches), piece.size, piece.kept)


def _filled(
    report: FileReport,
    piece: Piece,
    language: Language,
    lexed: Lexed,
    branches: complexity.Complexity | None,
) -> FileReport:
    is_python = language.name == "python"
    tree = python_code.parse(piece.chunks[0]) if is_python and len(piece.chunks) == 1 else None
    facts = python_code.read_facts(tree) if tree else None
    level, _, lowest = bracket_excess(lexed.bare)
    closes = tree is not None if is_python else lexed.closed and level == 0 and lowest == 0
    parsed: Parsed = "whole" if closes and piece.is_whole else "fragment"
    return replace(
        report,
        parsed=parsed,
        code_lines=sum(1 for line in lexed.code.split("\n") if line.strip()),
        functions=facts.functions if facts else len(branches.functions) if branches else None,
        classes=len(language.classes.findall(lexed.bare)) if language.classes else None,
        cyclomatic_max=branches.highest if branches else None,
        cyclomatic_mean=branches.mean if branches else None,
        dependencies=facts.imports if facts else dependencies.find_imports(lexed.code, language),
        cohesion=facts.cohesion if facts else None,
    )


def _complexity(piece: Piece, language: Language) -> complexity.Complexity | None:
    """Measure hunk by hunk, since one hunk's open brackets say nothing of the next."""
    if language.reader is None:
        return None
    parts = [complexity.measure(lex(chunk, language.style).bare, language.reader) for chunk in piece.chunks]
    known = [part for part in parts if part is not None]
    if not known:
        return None
    functions = tuple(number for part in known for number in part.functions)
    return complexity.Complexity(functions, max(part.outside for part in known))


def _joined(parts: Sequence[Lexed]) -> Lexed:
    return Lexed(
        "\n".join(part.code for part in parts),
        "\n".join(part.bare for part in parts),
        all(part.closed for part in parts),
    )


def _constructs(lexed: Lexed, piece: Piece, rules: Rules, language: str | None) -> tuple[Construct, ...]:
    found = []
    for rule, line in rules.constructs(lexed.code, lexed.bare, language):
        if piece.fresh is None or piece.numbers is None:
            found.append(Construct(rule=rule, line=line))
        elif line <= len(piece.fresh) and piece.fresh[line - 1]:
            found.append(Construct(rule=rule, line=piece.numbers[line - 1]))
    return tuple(found)


def _coupled(measured: Sequence[_Measured]) -> list[_Measured]:
    paths = [item.report.path for item in measured]
    found = {
        index: item.report.dependencies
        for index, item in enumerate(measured)
        if item.report.dependencies is not None
    }
    efferent, afferent = dependencies.couple(found, paths)
    has_others = sum(path is not None for path in paths) > 1
    return [
        replace(
            item,
            report=replace(
                item.report,
                efferent=efferent.get(index),
                afferent=afferent.get(index, 0) if has_others and index in found and paths[index] else None,
            ),
        )
        for index, item in enumerate(measured)
    ]


def _total(measured: Sequence[_Measured]) -> ContextReport:
    files = tuple(item.report for item in measured)
    size = sum(item.size for item in measured)
    changes = [file.change for file in files if file.change is not None]
    names = [name for file in files if file.dependencies is not None for name in file.dependencies]
    knows_imports = any(file.dependencies is not None for file in files)
    return ContextReport(
        files=files,
        coverage=sum(item.kept for item in measured) / size if size else None,
        code_lines=_sum(file.code_lines for file in files),
        functions=_sum(file.functions for file in files),
        classes=_sum(file.classes for file in files),
        cyclomatic_max=max((f.cyclomatic_max for f in files if f.cyclomatic_max is not None), default=None),
        cyclomatic_mean=_mean(files),
        dependencies=len(set(names)) if knows_imports else None,
        coupling_max=max((f.efferent for f in files if f.efferent is not None), default=None),
        cohesion_min=min((f.cohesion for f in files if f.cohesion is not None), default=None),
        diff_files=len(changes),
        added=sum(change.added for change in changes),
        removed=sum(change.removed for change in changes),
        languages=tuple(dict.fromkeys(file.language for file in files if file.language)),
    )


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _mean(files: Sequence[FileReport]) -> float | None:
    """Return the mean complexity, each file weighing as much as it has functions, at least one."""
    known = [(f.cyclomatic_mean, max(1, f.functions or 0)) for f in files if f.cyclomatic_mean is not None]
    weight = sum(count for _, count in known)
    return sum(mean * count for mean, count in known) / weight if weight else None
