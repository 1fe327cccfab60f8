"""Rebuild the detector from a data folder: `python -m tools.train --data DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path

from policies.escalation_triggers.detector import Detector
from tools.train.card import FIGURES_END, FIGURES_START, write_figures
from tools.train.data import read_labelled, read_outcomes, read_texts
from tools.train.judge import calibrate, judge_unseen, label_figures, pair_figures
from tools.train.model import Plan, read_corpus, train
from tools.train.speed import measure

MODELS = Path(__file__).resolve().parents[2] / "policies" / "models"


def main() -> None:
    """Judge on unseen texts, train on all that may be used, write the weights, figures and card."""
    options = _options()
    corpus = read_corpus(
        [*read_labelled(options.data), *read_outcomes(options.data), *read_texts(options.data)]
    )
    unseen = judge_unseen(corpus, options.processes)
    blob = train(corpus, Plan(calibration=calibrate(corpus, unseen)))
    detector = Detector.load(blob)
    options.out.write_bytes(blob)
    texts = [example.text for example in corpus.examples if example.labels]
    figures = write_figures(
        label_figures(corpus, unseen), pair_figures(corpus, unseen), measure(blob, detector, texts)
    )
    print(figures)
    if options.report:
        options.report.write_text(figures + "\n", encoding="utf-8")
    card = options.out.with_name("MODEL_CARD.md")
    if card.exists():
        card.write_text(_replaced(card.read_text(encoding="utf-8"), figures), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.train", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the .jsonl.gz files")
    parser.add_argument("--out", type=Path, default=MODELS / "detector.bin")
    parser.add_argument("--report", type=Path, help="also write the tables here")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


def _replaced(card: str, figures: str) -> str:
    """Return the card with its generated part replaced."""
    before, rest = card.split(FIGURES_START, 1)
    after = rest.split(FIGURES_END, 1)[1]
    return f"{before}{FIGURES_START}\n\n{figures}\n\n{FIGURES_END}{after}"


if __name__ == "__main__":
    main()
