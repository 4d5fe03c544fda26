"""Notes: what a reader must know of a run before any verdict on it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from plasticity.report.run_report import RunNumbers
from plasticity.report.verdict import untrained

Cells = Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
"""Of each cell what was fixed before its first step, and its numbers."""


def notes(of: RunNumbers) -> list[str]:
    """A sentence for each network that is called untrained, and one where there are no code lengths."""
    cells = [(cell.meta, found) for cell, found in of.known]
    return [*far_networks(cells), *uncounted(cells)]


def far_networks(cells: Cells) -> list[str]:
    """Of each network that is too far from the amnesic observer.

    How far is what pretraining came to, or where there was none, what the first probe on fresh latents said.
    """
    each: dict[str, list[tuple[float, float]]] = {}
    for meta, found in cells:
        gap, bits = meta.get("pretrained_gap"), found["kl/amnesic"]
        gap = found["in_context/first"] if gap is None else gap
        if gap is not None and bits is not None:
            name = (meta.get("network") or {}).get("type", "network")
            each.setdefault(f"The {name}", []).append((gap, bits))
    means = {name: np.mean(pairs, axis=0).tolist() for name, pairs in each.items()}
    return [said for name, (gap, bits) in means.items() if (said := untrained(gap, bits, name))]


def uncounted(cells: Cells) -> list[str]:
    """Why there are no code lengths, where the run is older than the count of answers."""
    lengths = [
        found["code_length/dawid1984"] for _, found in cells if found["diverged/step"] is None
    ]
    if None not in lengths:
        return []
    return [
        "No code lengths: this run was stored before the number of answers of each step was, and bits per answer alone "
        "make none."
    ]
