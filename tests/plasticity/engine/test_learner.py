"""What a step of the learner costs beyond its arithmetic, and what no strategy can do to its own score."""

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from pytorch_lightning import Trainer

from plasticity import Batch, Learner, Prediction
from plasticity.checks.answers import HIDDEN
from plasticity.checks.reach import reachable
from plasticity.checks.world import loop, world
from plasticity.config.recipe import recipe
from plasticity.core.learner import Spec
from plasticity.core.predictors import PREDICTORS
from plasticity.core.strategy import Strategy
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.prequential import ScoredBatch
from plasticity.engine.pretrain import fresh_network
from plasticity.engine.trainer import fit
from plasticity.launch import restore
from plasticity.launch.experiment import Experiment
from plasticity.networks import MLP
from plasticity.observers.reference import ReferencePredictors
from plasticity.results.store import Cell
from streams import Conversation, Recurring


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


class Walker(Strategy):
    """Looks at all that it is handed; a class remembers, because a learner's state must not."""

    seen: ClassVar[set[str]] = set()
    leaks: ClassVar[set[str]] = set()

    def update(self, learner: Learner, batch: Batch, prediction: Prediction) -> None:
        for root in (learner, batch, prediction):
            for path, each in reachable(root, type(root).__name__):
                self.seen.add(type(each).__name__)
                if isinstance(each, (*HIDDEN, ReferencePredictors, StreamDataModule, Trainer)):
                    self.leaks.add(f"{type(each).__name__} at {path}")
        super().update(learner, batch, prediction)


def test_in_a_real_run_nothing_that_a_strategy_is_handed_leads_to_the_world(tmp_path: Path) -> None:
    """As the launcher makes it, with a tunnel that tries answers, through Lightning and graded."""
    tunnel = recipe(Conversation, aggregates=1, columns=1, teams=2, venues=2, requests=2)
    stream = recipe(Recurring, tunnels=[tunnel], regimes=2, period=2, steps=6, batch=2, time=15)
    plan = Experiment(stream, recipe(MLP, width=8, depth=1), strategy=recipe(Walker), stretch=3)
    world = plan.stream.build(seed=0, probe=2)
    network = fresh_network(recipe(MLP, width=8, depth=1), Spec.of(world), 0)
    made = restore.loop(plan, world, network, recipe(Walker))
    Walker.seen.clear()
    fit(Cell(tmp_path), made, StreamDataModule(world, 3), TrainerConfig(threads=1))
    assert {"MLP", "AdamW", "Walker", "Batch", "Updates"} <= Walker.seen and not Walker.leaks
    right = made.learner.is_correct(world[0].targets[:, world[0].asked], world[0])
    assert right.all()
