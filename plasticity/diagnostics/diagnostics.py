"""Diagnostics: measurements of a network that leave it as it was."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from plasticity.core.tunnel import Batch
from plasticity.diagnostics.config import Condition
from plasticity.diagnostics.curvature import gradient, hessian_ritz
from plasticity.diagnostics.forward_probe import (
    Activations,
    ProbedNetwork,
    evaluation_mode,
    held_out,
)
from plasticity.diagnostics.spectrum import (
    cka,
    effective_rank,
    leading,
    singular_values,
    stable_rank,
)
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.prequential import Prequential, ScoredBatch
from plasticity.engine.scorer import COLUMNS
from plasticity.nn.hidden_units import dormancy
from plasticity.nn.parameters import tensors_to_vector

UNITS = ("dormant/tau0.025", "dormant/tau0.1", "dead/lop2024", "saturated/tau0.99")
RANKS = ("effective_rank/roy2007", "stable_rank", "srank/kumar2021", "approximate_rank/yang2019")
WEIGHTS = ("drift/cka2019", "weight/l2", "weight/mean_abs", "weight/distance", "update/l2")
LOSSES = ("gradient/l2", "plasticity/upgd2024")
HESSIAN = ("hessian_rank/ritz0.1", "hessian_rank/roy2007")
"""Columns, in their order."""
BENT = 0.1
"""Share of the largest Ritz value's magnitude from which a direction counts as bent.

Much smaller and nearly every Ritz value counts: at 1e-3, 58 to 60 of 60 at width 64, before learning and after.
"""


class Start(NamedTuple):
    """The network before deployment."""

    weights: Float[Tensor, " parameters"]
    features: Float[Tensor, "n width"]


def columns(plan: Condition) -> tuple[str, ...]:
    """What `measure` measures."""
    return (*UNITS, *RANKS, *WEIGHTS, *LOSSES, *(HESSIAN if plan.hessian else ()))


def begin(plan: Condition, learner: OnlineLearner, batch: Batch) -> Start:
    """What later measurements are compared with: the network as it is now."""
    batch = held_out(batch, plan.samples, learner.device)
    with evaluation_mode(learner.network) as bare:
        return Start(weights(learner), bare.look(batch.inputs, batch.asked).features)


def measure(
    plan: Condition,
    module: Prequential,
    batch: Batch,
    start: Start | None = None,
    before: Float[Tensor, " parameters"] | None = None,
    last: ScoredBatch | None = None,
) -> dict[str, float]:
    """Column -> value, but for trainability.

    Args:
        plan: what is measured.
        module: whose learner's network is measured; it is left as it was.
        batch: held out; of the stream's shape.
        start: before deployment; None: drift and distance are NaN.
        before: the weights at the beginning of the stretch; None: the update is NaN.
        last: what was met last, still in `module.records`; None: plasticity is NaN.
    """
    learner = module.learner
    batch = held_out(batch, plan.samples, learner.device)
    with evaluation_mode(learner.network) as bare:
        seen, theta = bare.look(batch.inputs, batch.asked), weights(learner)
        row = units_row(seen) | ranks_row(seen)
        moved = _drift(seen, start), float(theta.norm()), float(theta.abs().mean())
        moved += _distance(theta, start and start.weights), _distance(theta, before)
        slope = float(gradient(learner, bare, batch).norm())
        row |= dict(zip(WEIGHTS, moved, strict=True))
        row |= dict(zip(LOSSES, (slope, _plasticity(module, bare, last)), strict=True))
        if plan.hessian:
            ritz = hessian_ritz(learner, bare, batch, plan.hessian).abs()
            bent = (ritz > BENT * ritz.max()).sum()
            ranks = float(bent) if ritz.isfinite().all() else math.nan, effective_rank(ritz)
            row |= dict(zip(HESSIAN, ranks, strict=True))
    return row


def weights(learner: OnlineLearner) -> Float[Tensor, " parameters"]:
    """A copy of every parameter of the network, adapters among them, in one row."""
    return tensors_to_vector(learner.network.parameters()).detach().clone()


def units_row(seen: Activations) -> dict[str, float]:
    """Shares of the hidden units that are of no use, of all layers together; NaN where one diverged."""
    if not seen.heard or not all(h.isfinite().all() for h in seen.heard):
        return dict.fromkeys(UNITS, math.nan)
    score = torch.cat([dormancy(h) for h in seen.heard])
    sizes = [h.flatten(0, -2).abs() for h in seen.heard]
    dead = torch.cat([(size == 0).all(0) for size in sizes])
    full = torch.cat([((size > 0.99) & (size <= 1)).double().mean(0) > 0.99 for size in sizes])
    shares = (each.double().mean() for each in (score <= 0.025, score <= 0.1, dead, full))
    return dict(zip(UNITS, map(float, shares), strict=True))


def ranks_row(seen: Activations) -> dict[str, float]:
    """How many directions the features have, by four counts."""
    values = singular_values(seen.features)
    counts = effective_rank(values), stable_rank(values), leading(values), leading(values.square())
    return dict(zip(RANKS, counts, strict=True))


def _drift(seen: Activations, start: Start | None) -> float:
    return 1 - cka(start.features.to(seen.features), seen.features) if start else math.nan


def _distance(theta: Tensor, other: Tensor | None) -> float:
    return math.nan if other is None else float((theta - other.to(theta)).norm())


@torch.no_grad()
def _plasticity(module: Prequential, bare: ProbedNetwork, last: ScoredBatch | None) -> float:
    """How much of the loss on the last batch its own step removed. The loss before is what was scored [bits]."""
    if last is None or not module.records:
        return math.nan
    before = float(module.records[-1].scores[COLUMNS.index("kl_realised"), 0]) * math.log(2)
    batch = last.batch
    after = float(module.learner.nll(bare(batch.inputs).double(), batch.targets, batch.asked))
    return min(max(1 - after / max(before, 1e-8), 0.0), 1.0)
