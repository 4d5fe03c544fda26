"""What a step of the learner costs beyond its arithmetic, and what no strategy can do to its own score."""

import pytest
import torch

from plasticity import Batch, Learner, Prediction
from plasticity.checks.world import loop, world
from plasticity.config.recipe import recipe
from plasticity.core.predictors import PREDICTORS
from plasticity.core.strategy import Strategy
from plasticity.engine.prequential import ScoredBatch


def test_a_step_does_not_look_for_a_gpu(monkeypatch: pytest.MonkeyPatch):
    """Where Lightning's variable is set, torch loads NVIDIA's library at each step of Adam."""
    looked = list[int]()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: looked.append(1) or 0)
    made = loop(recipe(Strategy))
    made.setup("fit")
    made.configure_optimizers()
    lesson = ScoredBatch(0, False, *world().keyed(0), torch.zeros(0, 0, 0, 0))
    made.prequential_step(lesson)
    assert not looked
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    made.prequential_step(lesson)
    assert looked


class Forger(Strategy):
    """Writes the answers into the logits that it was handed."""

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        logits, wanted = prediction.logits, batch.targets.clamp_min(0)
        with torch.no_grad():
            logits.copy_(99.0 * torch.nn.functional.one_hot(wanted, logits.shape[-1]))


def test_what_is_graded_is_what_was_said_before_the_strategy_saw_the_answers():
    batch, key = world().keyed(0)
    size = len(PREDICTORS), len(batch.inputs), int(batch.asked.sum()), world().symbols
    said = torch.full(size, 1 / size[-1], dtype=torch.float64)
    lesson = ScoredBatch(0, False, batch, key, said)
    honest, forged = loop(recipe(Strategy)), loop(recipe(Forger))
    for made in (honest, forged):
        made.setup("fit")
        made.configure_optimizers()
        made.training_step([lesson])
    assert torch.equal(honest.records[0].scores, forged.records[0].scores)
