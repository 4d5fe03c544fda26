"""O-LoRA: its penalty entry by entry, what merging leaves as it was, and what the penalty is for."""

import pytest
import torch

from plasticity.core.optimizer import AdamW
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from strategies import Finetune
from strategies.olora import OLoRA

from .teaching import learn
from .tiny import batch, learner

NETWORKS = [Transformer, LSTM, Mamba, GatedDeltaNet, MLP]


def teach(made: OnlineLearner, seed: int, steps: int = 1) -> None:
    for _ in range(steps):
        learn(made, batch(seed))
        made.step += 1


def downs(made: OnlineLearner) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in made.network.named_parameters() if n.endswith(".A")}


@pytest.mark.parametrize("network", NETWORKS)
def test_olora_adds_every_overlap_of_the_new_with_each_of_the_old(network: type):
    strategy, data = OLoRA(strength=0.3, rank=2), batch(1)
    made = learner(strategy, network)
    assert strategy.overlap().item() == 0.0
    old = []
    for regime in range(3):
        teach(made, regime, 2)
        old.append(downs(made))
        strategy.on_shift(made)
    new, expected = downs(made), 0.0
    for name, a in new.items():
        for past in old:
            for i in range(2):
                for j in range(2):
                    expected += 0.3 * abs(float((past[name][i] * a[j]).sum()))
    found = strategy.penalty(made, data, made(data.inputs))
    assert isinstance(found, torch.Tensor) and expected > 0.1
    assert found.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_shift_merges_and_changes_no_answer(network: type):
    made, data = learner(OLoRA(rank=2), network, AdamW(1e-2, weight_decay=0.01)), batch(2)
    start = learner(Finetune(), network)
    teach(made, 3, 5)
    before, old = made(data.inputs).detach(), downs(made)
    assert (before - start(data.inputs)).abs().max() > 1e-4
    assert made.optimizer.state
    made.strategy.on_shift(made)
    torch.testing.assert_close(made(data.inputs).detach(), before, rtol=1e-4, atol=1e-5)
    fresh = downs(made)
    assert all(not torch.equal(a, old[n]) for n, a in fresh.items())
    ups = [p for n, p in made.network.named_parameters() if n.endswith(".B")]
    assert ups and all(not p.any() for p in ups)
    assert not made.optimizer.state


def test_the_oldest_adapter_is_dropped_when_the_slots_are_full():
    strategy = OLoRA(rank=1, slots=2)
    made, old = learner(strategy), []
    for regime in range(3):
        teach(made, regime)
        old.append(downs(made))
        strategy.on_shift(made)
    for past, name in zip(strategy.past(), old[0], strict=True):
        assert torch.equal(past, torch.stack([old[2][name], old[1][name]]))


@pytest.mark.parametrize("network", NETWORKS)
def test_at_an_alarm_the_gradient_of_the_prediction_made_before_it_is_the_fresh_adapters(
    network: type,
):
    strategy, data = OLoRA(rank=2), batch(4)
    made = learner(strategy, network)
    teach(made, 5, 5)
    early = made(data.inputs)
    strategy.on_shift(made)
    params = made.trainable()
    late = made(data.inputs)
    pair = [
        torch.autograd.grad(made.nll(logits, data.targets, data.asked), params)
        for logits in (early, late)
    ]
    assert sum(float(g.abs().sum()) for g in pair[0]) > 1e-3
    for one, two in zip(*pair, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-6)


def test_the_penalty_turns_the_new_adapter_away_from_the_old():
    def overlap(strength: float) -> float:
        strategy = OLoRA(strength=strength, rank=2)
        made = learner(strategy, optimizer=AdamW(0.01), width=16)
        teach(made, 6, 20)
        strategy.on_shift(made)
        teach(made, 7, 60)
        return strategy.overlap().item()

    assert overlap(0.5) < 0.3 * overlap(0.0)
