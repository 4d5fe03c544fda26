"""Metrics that are wrong in one way each, and the checks that must say so."""

import numpy as np
import polars as pl
from jaxtyping import Float

from plasticity import Entry, formula
from plasticity.metrics.visits import Probed

from .tunnels import Mutant

Bits = Float[np.ndarray, " steps"]


@formula(Entry("worst/kit", "bits", "max_t KL(informed || model)"))
def worst(bits: Bits, lost: int | None) -> float | None:
    return None if lost is not None else float(bits.max())


@formula(Entry("worst/kit2026", "bits", "as its name says"))
def no_source(bits: Bits, lost: int | None) -> float | None:
    return worst(bits, lost)


@formula(Entry("kl/model", "bits", "max_t KL(informed || model)"))
def taken(bits: Bits, lost: int | None) -> float | None:
    return worst(bits, lost)


@formula(Entry("worst/kit", "bits", "max_t KL(informed || model)"))
def unknown_need(bit: Bits) -> float:
    return float(bit.max())


@formula(Entry("least/kit", "bits", "least KL(informed || model), of what is a number"))
def survives(bits: Bits) -> float | None:
    known = bits[np.isfinite(bits)]
    return float(known.mean()) if len(known) else None


@formula(Entry("word/kit", "bits", "in words"))
def says(bits: Bits) -> str:
    return "much"


@formula(Entry("last/kit", "bits", "KL(informed || model) on the first task's last probe"))
def needs_a_probe(held: Probed, lost: int | None) -> float | None:
    return None if lost is not None else float(held.bits[1, 0])


@formula(Entry("sorts/kit", "bits", "median over steps"))
def sorts(steps: pl.DataFrame, lost: int | None) -> float | None:
    bits = np.asarray(steps["kl/model"].to_numpy())
    object.__setattr__(steps, "_df", steps.drop("kl/uniform")._df)
    return None if lost is not None else float(np.median(bits))


@formula(Entry("drawn/kit", "bits", "mean over a bootstrap"))
def drawn(bits: Bits, lost: int | None) -> float | None:
    return None if lost is not None else float(np.random.choice(bits, len(bits)).mean())


ENTRY, ASKS, GIVES = "entry is whole", "asks for what there is", "gives its numbers"
PURE, LOST = "is a function of the tables", "makes nothing of what is lost"
METRICS: list[Mutant] = [
    (no_source, {ENTRY}),
    (taken, {ENTRY}),
    (unknown_need, {ASKS, GIVES, PURE, LOST}),
    (survives, {LOST}),
    (says, {GIVES, PURE, LOST}),
    (needs_a_probe, {GIVES, PURE}),
    (sorts, {PURE}),
    (drawn, {PURE}),
]
SOUND = [worst]
