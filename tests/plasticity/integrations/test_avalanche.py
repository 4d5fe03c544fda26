"""Avalanche's plugins do in our loop what they do in theirs, and our streams are what their strategies train on."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from plasticity import Updates
from plasticity.integrations import avalanche_host
from plasticity.integrations.avalanche import AvalanchePlugin, Criterion, to_avalanche
from plasticity.integrations.avalanche_host import ALLOWED, IGNORE_INDEX, REFUSED
from strategies import EWC, Finetune
from streams import Abrupt, Bijection

from .hosting import Scalars, gap, learner, taught, world

STRONG: dict[str, Scalars] = {
    "AGEMPlugin": {},
    "EWCPlugin": {"ewc_lambda": 30.0},
    "FromScratchTrainingPlugin": {},
    "GEMPlugin": {},
    "MASPlugin": {"lambda_reg": 3.0},
    "RWalkPlugin": {"ewc_lambda": 1.0, "delta_t": 2},
    "ReplayPlugin": {},
}
silent = pytest.mark.filterwarnings("ignore:No loggers specified")


def effect(plugin: str, arguments: Scalars | None) -> float:
    return gap(taught(AvalanchePlugin(plugin, arguments), world()), taught(Finetune(), world()))


def test_every_allowed_plugin_is_tried():
    assert STRONG.keys() == ALLOWED.keys()


@pytest.mark.parametrize("plugin", STRONG)
def test_every_allowed_plugin_does_something(plugin: str):
    assert effect(plugin, STRONG[plugin]) > 1e-3


def test_a_plugin_that_was_broken_is_seen_to_do_nothing(monkeypatch: pytest.MonkeyPatch):
    from avalanche.training.plugins import EWCPlugin

    monkeypatch.setattr(EWCPlugin, "before_backward", lambda self, strategy: None)
    assert effect("EWCPlugin", STRONG["EWCPlugin"]) == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_synaptic_intelligence_is_refused_for_doing_nothing(monkeypatch: pytest.MonkeyPatch):
    name, reason = "SynapticIntelligencePlugin", REFUSED["SynapticIntelligencePlugin"]
    with pytest.raises(ValueError, match="does nothing and does not say so"):
        AvalanchePlugin(name)
    monkeypatch.delitem(avalanche_host.REFUSED, name)
    monkeypatch.setitem(avalanche_host.ALLOWED, name, {})
    assert effect(name, {"si_lambda": 1e6}) == 0, f"no longer true: {reason}"


@silent
@pytest.mark.parametrize("size", [1, 4])
def test_hosted_ewc_is_avalanches_own(size: int):
    from avalanche.training.plugins import EvaluationPlugin
    from avalanche.training.supervised import EWC as Theirs

    stream, strength = world(batch=size), 20.0
    hosted = taught(AvalanchePlugin("EWCPlugin", {"ewc_lambda": strength}), stream)
    own = learner(Finetune(), stream)
    theirs = Theirs(
        model=own.network,
        optimizer=own.optimizer,
        criterion=Criterion(),
        ewc_lambda=strength,
        train_mb_size=size,
        train_epochs=1,
        evaluator=EvaluationPlugin(),
    )
    for experience in to_avalanche(stream).train_stream:
        theirs.train(experience, shuffle=False)
    assert gap(hosted, own) < 1e-6
    assert gap(hosted, taught(Finetune(), stream)) > 1e-2


def together(steps: int, batch: int, per: Any, theirs: Scalars, **ours: Any) -> float:
    """Ours with half strength * F per position is theirs with lambda * squared gradient of the mean."""
    stream, updates = world(steps, batch), Updates(per=per)
    strength = 8.0
    weight = strength / 2 * int(stream.asked.sum())
    hosted = AvalanchePlugin("EWCPlugin", {"ewc_lambda": weight, **theirs})
    one, other = (
        taught(each, stream, updates) for each in (hosted, EWC(strength=strength, **ours))
    )
    assert gap(other, taught(Finetune(), stream, updates)) > 1e-3
    return gap(one, other)


def test_hosted_ewc_is_ours_where_each_minibatch_is_one_sequence():
    online: Scalars = {"mode": "online", "decay_factor": 0.5}
    assert together(24, 1, "batch", online, decay=0.5) < 1e-6
    assert together(24, 2, "episode", online, decay=0.5) < 1e-6
    assert together(24, 2, "episode", {"mode": "separate"}, form="separate") < 1e-6


def test_hosted_ewc_parts_from_ours_in_larger_minibatches():
    """Theirs squares the gradient of a minibatch's mean; ours averages the squares of each sequence's gradient."""
    assert together(12, 4, "batch", {"mode": "separate"}) > 1e-4
    stream = world(6, 4)
    made = taught(AvalanchePlugin("EWCPlugin"), stream)
    made.begin(made.step + 1)
    made.notify_shift()
    strategy = made.strategy
    assert isinstance(strategy, AvalanchePlugin)
    found = torch.cat([p.data.flatten() for p in strategy.guest.importances[0].values()])
    expected, alone = torch.zeros_like(found), torch.zeros_like(found)
    parameters = list(made.network.parameters())
    for batch in (stream[step] for step in range(6)):
        for rows, total in ((4, expected), (1, alone)):
            for x, y in zip(batch.inputs.split(rows), batch.targets.split(rows), strict=True):
                log_probs = made.network(x).log_softmax(-1).gather(-1, y[..., None])
                grads = torch.autograd.grad(-log_probs.mean(), parameters)
                total += torch.cat([g.flatten() for g in grads]) ** 2 * rows / 24
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-8)
    assert float(alone.sum() / expected.sum()) > 1.5


def test_replay_descends_the_mean_over_new_and_remembered():
    stream = world()
    made = taught(AvalanchePlugin("ReplayPlugin", {"mem_size": 8, "batch_size_mem": 3}), stream)
    strategy = made.strategy
    assert isinstance(strategy, AvalanchePlugin)
    seen: list[tuple[Tensor, Tensor, Tensor]] = []

    class Spy:
        def __init__(self, loader: Any):
            self.loader = loader

        def __iter__(self) -> Any:
            seen.append(next(iter(self.loader)))
            return iter(seen[-1:])

    strategy.host.dataloader = Spy(strategy.host.dataloader)
    batch = stream[0]
    logits = made(batch.inputs)
    loss = strategy.loss(made, batch, logits) + strategy.penalty(made, batch, logits)
    ((x, y, label),) = seen
    x, y = x[label == 0], y[label == 0]
    assert len(x) == 3
    past = torch.cat([stream[step].inputs for step in range(18)])
    assert all((past == row).all(1).any() for row in x)
    both, targets = torch.cat([batch.inputs, x]), torch.cat([batch.targets, y])
    expected = made.nll(made(both), targets, batch.asked)
    torch.testing.assert_close(loss, expected)


def test_criterion_is_the_mean_over_asked_positions():
    stream = Abrupt([Bijection(size=3, pairs=2)], 2, 2, 4, time=3, probe=4)
    assert not stream.asked.all()
    made, batch = learner(Finetune(), stream), stream[0]
    logits = made(batch.inputs)
    expected = made.nll(logits, batch.targets, batch.asked)
    torch.testing.assert_close(Criterion()(logits, batch.targets), expected)


@pytest.mark.parametrize("tell", [False, True])
def test_a_stream_is_a_benchmark(tell: bool):
    stream = Abrupt([Bijection(size=3, pairs=2)], 3, 8, 4, time=3, probe=5)
    benchmark = to_avalanche(stream, tell)
    sizes = [len(experience.dataset) for experience in benchmark.train_stream]
    assert sizes == [12, 12, 8]
    rows = [row for experience in benchmark.train_stream for row in experience.dataset]
    for step in range(8):
        batch, key = stream.keyed(step)
        for i, (x, y, label) in enumerate(rows[4 * step : 4 * step + 4]):
            assert torch.equal(x, batch.inputs[i]) and y.shape == (3,)
            assert torch.equal(y[batch.asked], batch.targets[i][batch.asked])
            assert (y[~batch.asked] == IGNORE_INDEX).all()
            assert label == int(key.regime[i]) * tell
    for experience, probe in zip(benchmark.test_stream, stream.probes(), strict=True):
        assert torch.equal(torch.stack([x for x, *_ in experience.dataset]), probe.inputs)


@silent
@pytest.mark.parametrize("name", ["Naive", "Replay"])
def test_avalanches_strategies_train_on_a_stream_and_are_evaluated(name: str):
    from avalanche.evaluation.metrics import loss_metrics
    from avalanche.training import supervised
    from avalanche.training.plugins import EvaluationPlugin

    stream = world()
    own = learner(Finetune(), stream)
    theirs = getattr(supervised, name)(
        model=own.network,
        optimizer=own.optimizer,
        criterion=Criterion(),
        train_mb_size=4,
        eval_mb_size=4,
        evaluator=EvaluationPlugin(loss_metrics(stream=True), strict_checks=False),
        **({"mem_size": 8} if name == "Replay" else {}),
    )
    benchmark = to_avalanche(stream)
    for experience in benchmark.train_stream:
        with avalanche_host.fenced(0):
            theirs.train(experience, shuffle=False)
    if name == "Naive":
        assert gap(own, taught(Finetune(), stream)) < 1e-6
    (found,) = theirs.eval(benchmark.test_stream).values()
    probes = [own.nll(own(b.inputs), b.targets, b.asked) for b in stream.probes()]
    assert found == pytest.approx(np.mean([float(p.detach()) for p in probes]), rel=1e-5)
