"""The code in a prompt: fenced blocks, diffs, and whole texts that are nothing but code."""

from __future__ import annotations

from collections.abc import Iterable

from policies.context_analysis.diffs import looks_like_diff
from policies.context_analysis.fences import read_fences
from policies.context_analysis.languages import detect, is_prose
from policies.context_analysis.report import Snippet

MAX_TEXT = 4 * 1024 * 1024
"""Characters of a prompt that are searched; code beyond is not found."""


def snippets_in(text: str, *, evidence: Iterable[str] = ()) -> tuple[Snippet, ...]:
    """Return the code of a prompt and of the material pasted with it, in order of appearance.

    A fenced block counts unless its tag says it is prose. Outside fences a diff counts, and a pasted text
    that is one language through and through. The prompt's own words never count.
    """
    found = list(_in_text(text, pasted=False))
    for block in evidence:
        found.extend(_in_text(block, pasted=True))
    return tuple(found)


def _in_text(text: str, *, pasted: bool) -> Iterable[Snippet]:
    fenced = read_fences(text[:MAX_TEXT])
    for block in fenced.blocks:
        if block.body.strip() and not is_prose(block.tag):
            yield Snippet(text=block.body, path=block.path, tag=block.tag or None)
    if not fenced.outside.strip():
        return
    if looks_like_diff(fenced.outside):
        yield Snippet(text=fenced.outside, tag="diff")
    elif pasted and detect(fenced.outside) is not None:
        yield Snippet(text=fenced.outside)
