"""Write the figures part of the model card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from tools.train.judge import LabelFigures, PairFigures
from tools.train.speed import Cost

FIGURES_START: Final = "<!-- figures: written by python -m tools.train -->"
FIGURES_END: Final = "<!-- end of figures -->"


def write_figures(labels: Sequence[LabelFigures], pairs: Sequence[PairFigures], cost: Cost) -> str:
    """Return Markdown tables of quality on unseen texts and of cost."""
    return "\n\n".join((_pooled(labels), _per_file(labels), _pairs(pairs), _cost(cost)))


def _pooled(labels: Sequence[LabelFigures]) -> str:
    rows = [
        f"| {f.label} | {f.rows} | {f.positives} | {f.pooled:.3f} | {f.recall_strict:.3f} | "
        f"{_mean(f.inside.values())} | {_mean(f.left_out.values())} | {f.brier:.3f} | "
        f"{f.base_brier:.3f} | {f.calibration_error:.3f} |"
        for f in labels
    ]
    head = (
        "| label | texts | positives | AUC | recall at 1.6 % false | AUC within files | "
        "AUC, file left out | Brier | Brier of the rate | calibration error |"
    )
    return "\n".join(("### Labels, five folds", "", head, _rule(10), *rows))


def _per_file(labels: Sequence[LabelFigures]) -> str:
    rows = [
        f"| {f.label} | {name} | {value:.3f} | {_value(f.left_out.get(name))} |"
        for f in labels
        for name, value in f.inside.items()
    ]
    head = "| label | file | AUC by folds | AUC with the file left out |"
    return "\n".join(("### Each file by itself", "", head, _rule(4), *rows))


def _pairs(pairs: Sequence[PairFigures]) -> str:
    rows = [
        f"| {f.name} | {f.pair} | {f.rows} | {f.weak:.3f} | {f.strong:.3f} | "
        f"{f.recovered:.3f} | {f.noise:.3f} |"
        for f in pairs
    ]
    mean = _mean([f.recovered for f in pairs])
    head = "| set | pair | items | weak | strong | gap recovered (APGR) | noise of chance |"
    return "\n".join(
        ("### Gain, five folds (chance is 0.5)", "", head, _rule(7), *rows, f"\nMean over the sets: {mean}.")
    )


def _cost(cost: Cost) -> str:
    return "\n".join(
        (
            "### Cost",
            "",
            "| what | figure |",
            _rule(2),
            f"| score a 500-token ask, p50 / p99 | {cost.ask_p50_ms:.2f} / {cost.ask_p99_ms:.2f} ms |",
            f"| score any text above, p50 / p99 | {cost.any_p50_ms:.2f} / {cost.any_p99_ms:.2f} ms |",
            f"| load | {cost.load_ms:.0f} ms |",
            f"| file / resident | {cost.file_mib:.2f} / {cost.resident_mib:.1f} MiB |",
            f"| revision | `{cost.revision}` |",
        )
    )


def _rule(columns: int) -> str:
    return "|---" * columns + "|"


def _mean(values: Iterable[float]) -> str:
    listed = list(values)
    return f"{np.mean(listed):.3f}" if listed else "-"


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
