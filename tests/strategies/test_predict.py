"""A strategy that answers in a way of its own: in the stream, at probes, and in matrices."""

from copy import deepcopy
from functools import partial
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn

from plasticity import Batch, Experiment, Learner, Strategy, recipe
from plasticity.core.predictors import PREDICTORS
from plasticity.engine import scorer
from plasticity.engine.config import Pretrain
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.prequential import Prequential
from plasticity.engine.trainer import fit
from plasticity.launch import restore
from plasticity.networks import LSTM, MLP, Mamba, Transformer
from plasticity.observers import reference
from plasticity.results.store import Cell
from plasticity.studies.matrix_study import Size, studies
from strategies import Chain, Finetune, LoRA, Replay
from streams import Markov, Recurring

from .teaching import jog, learner, mean
from .tiny import ASKED, batch, unscored


class Counting(Strategy):
    """To the network's logits it adds how often each symbol came."""

    counts: Tensor

    def attach(self, learner: Learner) -> None:
        self.register_buffer("counts", torch.zeros(learner.spec.symbols))

    def predict(self, learner: Learner, batch: Batch) -> Float[Tensor, "batch time symbols"]:
        return learner.network(batch.inputs) + self.counts.log1p()

    def after_batch(self, learner: Learner, batch: Batch) -> None:
        came = batch.targets[:, batch.asked].flatten()
        self.counts += came.bincount(minlength=len(self.counts))


class Answering(nn.Module):
    """The same, by hand: a network, and counts that stand still."""

    def __init__(self, network: nn.Module, counts: Tensor):
        super().__init__()
        self.network, self.counts = deepcopy(network), counts.clone()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs) + torch.log(1 + self.counts)


WHOLE = [
    lambda: (part := Counting(), part),
    lambda: (part := Counting(), Chain([Finetune(), part])),
    lambda: (part := Counting(), Chain([Chain([part]), Replay(capacity=0)])),
]
IDS = ["alone", "chain", "nested"]


@pytest.mark.parametrize("whole", WHOLE, ids=IDS)
def test_the_stream_is_answered_and_learned_by_it(whole):
    """Three steps, each by hand: what is said, and a step of descent on the loss of what was said."""
    part, strategy = whole()
    made = learner(strategy)
    jog(made)
    loop, came = Prequential(made), torch.zeros(3)
    for step in range(3):
        data = batch(step)
        hand = Answering(made.network, came)
        expected = hand(data.inputs)[:, ASKED].detach()
        grads = torch.autograd.grad(mean(hand, data), list(hand.network.parameters()))
        said, _ = loop.prequential_step(unscored(step, data))
        torch.testing.assert_close(said, expected)
        for p, q, g in zip(
            made.network.parameters(), hand.network.parameters(), grads, strict=True
        ):
            torch.testing.assert_close(p.detach(), (q - 0.1 * g).detach(), rtol=1e-4, atol=1e-6)
        came += data.targets[:, ASKED].flatten().bincount(minlength=3)
        assert torch.equal(part.counts, came)
    assert (torch.log(1 + came)).std() > 0.01  # it is not the network's own answer


@pytest.mark.parametrize("whole", WHOLE, ids=IDS)
def test_probes_are_answered_by_it_and_change_nothing(whole):
    part, strategy = whole()
    made, data = learner(strategy), batch(5)
    jog(made)
    part.counts.copy_(torch.tensor([50.0, 3.0, 0.0]))
    state = {k: v.clone() for k, v in made.state_dict().items()}
    shape = len(PREDICTORS), 4, int(ASKED.sum()), 3
    probe = unscored(0, data)._replace(predictions=torch.full(shape, 1 / 3, dtype=torch.float64))
    loop = Prequential(made)
    loop.validation_step([probe])
    ((regime, found),) = loop.probed
    wanted, plain = (
        scorer.score(network(data.inputs)[:, ASKED], data.targets[:, ASKED], probe.predictions)
        for network in (Answering(made.network, part.counts), made.network)
    )
    assert regime == 0
    torch.testing.assert_close(found, wanted.mean(-1), equal_nan=True)
    assert (wanted - plain).nan_to_num().abs().max() > 0.1
    assert all(torch.equal(v, state[k]) for k, v in made.state_dict().items())


def test_matrices_of_a_cell_are_its_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Those of the checkpoint: softmax of the network's logits and the counts, as they were when the run ended."""
    monkeypatch.setattr(reference, "SAMPLE", 512)
    markov = recipe(Markov, symbols=3, concentration=0.5)
    experiment = Experiment(
        recipe(Recurring, tunnels=[markov], regimes=2, period=3, steps=6, batch=2, time=6, probe=4),
        recipe(MLP, width=8, depth=1),
        strategy=recipe(Chain, parts=[recipe(Counting), recipe(LoRA, rank=1)]),
        pretrain=Pretrain(steps=0),
    )
    (label, contender), stream = *experiment.contenders().items(), experiment.stream.build(seed=0)
    network, _ = restore.pretrained_network(experiment, contender.network, 0)
    loop, cell = restore.loop(experiment, stream, network, contender.strategy), Cell(tmp_path)
    cell.begin({"label": label, "seed": 0, "index": 0}, "made up")
    fit(cell, loop, StreamDataModule(stream, 3), experiment.hardware)
    with Progress(console=Console(quiet=True)) as progress:
        (studied,) = studies(experiment, cell, None, Size(prompts=20, length=3), progress)
    counts, asked = loop.learner.strategy.get_buffer("parts.0.counts"), studied.prompts
    assert counts.sum() == 6 * 2 * 6
    inputs, lengths = torch.from_numpy(asked.inputs), torch.from_numpy(asked.lengths)
    expected, plain = (
        logits(inputs)[torch.arange(len(inputs)), lengths - 1].double().softmax(-1).detach()
        for logits in (Answering(network, counts), network)
    )
    found = torch.from_numpy(studied.matrices[f"{label}, step 6"])
    torch.testing.assert_close(found, expected)
    assert (expected - plain).abs().max() > 0.01


@pytest.mark.parametrize("network", [Transformer, LSTM, Mamba, MLP])
def test_beside_it_rehearsal_goes_alone(network: type):
    """Rehearsed rows are the network's, whose loss they are; what is answered is not, and is asked first."""
    replay, data = Replay(capacity=4, weight=0.3), batch(7)
    made = learner(Chain([Counting(), replay]), network)
    jog(made)
    replay.after_batch(made, batch(6))
    made.strategy.get_buffer("parts.0.counts").copy_(torch.tensor([50.0, 3.0, 0.0]))
    seen = list[tuple[int, ...]]()
    made.network.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    logits, rehearsal = made.predict(data)
    assert seen == [(4, 5), (4, 5)]
    assert torch.equal(logits, made.strategy.predict(made, data))
    expected = 0.3 * mean(made.network, batch(6))
    torch.testing.assert_close(rehearsal, expected, rtol=1e-5, atol=1e-6)
    answering = Answering(made.network, torch.tensor([50.0, 3.0, 0.0]))
    torch.testing.assert_close(
        made.total_loss(data, made.predict(data)), mean(answering, data) + expected
    )


@pytest.mark.parametrize("nested", [False, True])
def test_two_that_replace_the_prediction_are_refused(nested: bool):
    other = partial(Chain, [Counting()]) if nested else Counting
    with pytest.raises(ValueError) as refusal:
        Chain([Counting(), Replay(), other()])
    message = "parts: Counting and Counting each replace `predict`: expected one part at most"
    assert str(refusal.value) == message
