"""The razor, from tables written by hand, and as a run records it."""

from copy import deepcopy

import polars as pl
import pytest
import torch
from torch import Tensor

from plasticity import Batch, Learner, Strategy, recipe
from plasticity.checks.world import loop, world
from plasticity.core.predictors import MOVED, PREDICTORS
from plasticity.engine.prequential import ScoredBatch
from plasticity.metrics.razor import razor_shenfeld2025
from plasticity.metrics.visits import visits

STEPS = pl.DataFrame(
    {"step": range(8), "regime": [0] * 5 + [1] * 3, "shift": [False] * 5 + [True] + [False] * 2}
)
ROWS = [(0, 0, 0.0), (2, 0, 9.0), (4, 0, 0.5), (8, 0, 9.0), (4, 1, 9.0), (8, 1, 1.5), (8, -1, 9.0)]


def test_it_is_the_mean_over_ends_of_visits_on_what_was_live() -> None:
    """Visit 0 is steps 0 to 4, so that its last probe is after 4 updates; visit 1 ends with the stream."""
    probes = pl.DataFrame(ROWS, ["step", "regime", MOVED], orient="row")
    assert razor_shenfeld2025(probes, visits(STEPS)) == pytest.approx((0.5 + 1.5) / 2)


def test_a_record_without_it_and_a_stream_without_a_probe_have_none() -> None:
    probes = pl.DataFrame(ROWS, ["step", "regime", MOVED], orient="row")
    assert razor_shenfeld2025(probes.drop(MOVED), visits(STEPS)) is None
    assert razor_shenfeld2025(probes.filter(pl.col("step") == 0), visits(STEPS)) is None


class Shrunk(Strategy):
    """Answers by a third of the network's logits: how far it is from its start is no matter of weights."""

    def predict(self, learner: Learner, batch: Batch) -> Tensor:
        return learner.network(batch.inputs) / 3


def test_a_run_records_how_far_its_answers_are_from_the_network_before_any_update() -> None:
    """Sum over symbols by hand, of the mixture that answers, on every probe; the start is not what moved since."""
    made, stream = loop(recipe(Shrunk)), world()
    before = deepcopy(made.learner.network)
    made.setup("fit")
    for scale in (1.0, 1.7):
        with torch.no_grad():
            for p in made.learner.network.parameters():
                p.mul_(scale)
        for regime, (batch, key) in zip(stream.probed, stream.keyed_probes(), strict=True):
            asked = len(PREDICTORS), len(batch.inputs), int(batch.asked.sum()), stream.symbols
            even = torch.full(asked, 1 / stream.symbols, dtype=torch.float64)
            made.validation_step([ScoredBatch(regime, False, batch, key, even)])
            p = before(batch.inputs)[:, batch.asked].double().softmax(-1)
            q = (made.learner.network(batch.inputs)[:, batch.asked] / 3).double().softmax(-1)
            bits = float((p * (p / q).log2()).sum(-1).mean().detach())
            assert made.moved[regime] == pytest.approx(bits, rel=1e-9) and bits > 1e-6
        made.on_validation_epoch_end()
        assert not made._pretrained, "a large network is not held twice for the whole run"
