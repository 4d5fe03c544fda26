"""Continual backpropagation against loops over single units."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from plasticity.core.optimizer import AdamW
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from plasticity.networks.mlp import Stack
from plasticity.nn.hidden_units import activations, hidden_units
from strategies import Finetune, Replay
from strategies.chain import Chain
from strategies.continual_backprop import ContinualBackprop

from .teaching import teach
from .tiny import batch, learner

RATE, DECAY, MATURITY = 0.03, 0.9, 2


def cbp(made: OnlineLearner) -> ContinualBackprop:
    assert isinstance(made.strategy, ContinualBackprop)
    return made.strategy


class ByHand:
    """Finetune, and algorithm 1 over every single unit of one Feedforward block; draws are told to it."""

    def __init__(self, made: OnlineLearner):
        self.made = made
        self.w_in = made.network.get_parameter("mixers.0.in_proj.weight")
        self.b_in = made.network.get_parameter("mixers.0.in_proj.bias")
        self.w_out = made.network.get_parameter("mixers.0.out_proj.weight")
        self.b_out = made.network.get_parameter("mixers.0.out_proj.bias")
        self.age, self.u, self.f = [0] * 32, [0.0] * 32, [0.0] * 32
        self.count = 0.0

    def hidden(self, inputs: torch.Tensor) -> torch.Tensor:
        network = self.made.network
        assert isinstance(network, Stack)
        x = network.norms[0](network.embed(inputs))
        return F.gelu(x @ self.w_in.T + self.b_in).detach()

    def step(self, seed: int, told: torch.Tensor) -> list[int]:
        h = self.hidden(batch(seed).inputs)
        teach(self.made, seed)
        for i in range(32):
            self.age[i] += 1
            seen = [float(v) for v in h[:, :, i].flatten()]
            size = sum(abs(v) for v in seen) / len(seen)
            reach = sum(abs(w) for w in self.w_out[:, i].tolist())
            self.u[i] = DECAY * self.u[i] + (1 - DECAY) * size * reach
            self.f[i] = DECAY * self.f[i] + (1 - DECAY) * sum(seen) / len(seen)
        eligible = [i for i in range(32) if self.age[i] > MATURITY]
        self.count += RATE * len(eligible)
        replaced = []
        while self.count >= 1:
            r = min(eligible, key=lambda i: self.u[i] / (1 - DECAY ** self.age[i]))
            eligible.remove(r)
            replaced.append(r)
            self.count -= 1
        for r in replaced:
            with torch.no_grad():
                self.b_out += self.w_out[:, r] * self.f[r] / (1 - DECAY ** self.age[r])
                self.w_out[:, r] = 0
                self.w_in[r], self.b_in[r] = told[r], 0
            state = self.made.optimizer.state
            for name in ("exp_avg", "exp_avg_sq"):
                state[self.w_out][name][:, r] = 0
                state[self.w_in][name][r] = state[self.b_in][name][r] = 0
            self.age[r], self.u[r], self.f[r] = 0, 0.0, 0.0
        return replaced


def test_the_algorithm_unit_by_unit_with_adam_for_thirty_steps():
    made = learner(ContinualBackprop(RATE, DECAY, MATURITY), optimizer=AdamW(1e-2))
    plain = learner(Finetune(), optimizer=AdamW(1e-2))
    hand, total = ByHand(plain), 0
    for seed in range(30):
        teach(made, seed)
        replaced = hand.step(seed, made.network.get_parameter("mixers.0.in_proj.weight").detach())
        assert (cbp(made).age == 0).nonzero()[:, 0].tolist() == sorted(replaced), seed
        total += len(replaced)
        for (name, p), q in zip(
            made.network.named_parameters(), plain.network.parameters(), strict=True
        ):
            torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6, msg=f"{name}, step {seed}")
            for moment in ("exp_avg", "exp_avg_sq"):
                mine, theirs = (
                    made.optimizer.state[p][moment],
                    plain.optimizer.state[q][moment],
                )
                torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-7)
    assert total >= 20


@pytest.mark.parametrize(("network", "layer"), [(MLP, 0), (Transformer, 1)])
@torch.no_grad()
def test_replacing_units_that_are_constant_changes_no_logit(network: type, layer: int):
    """Bias transfer: five units say a number, not 0, whatever comes in; all five are replaced."""
    made, data = learner(ContinualBackprop(1.0, DECAY, 3), network), batch(1)
    constant, strategy = torch.tensor([0, 3, 4, 17, 31]), cbp(made)
    made.network.get_parameter(f"mixers.{layer}.in_proj.weight")[constant] = 0
    made.network.get_parameter(f"mixers.{layer}.in_proj.bias")[constant] = torch.arange(1.0, 6.0)
    begins = sum(strategy.sizes[:layer])
    old = made.network.get_parameter(f"mixers.{layer}.out_proj.weight")[:, constant].clone()
    before = made(data.inputs)
    others = torch.ones(sum(strategy.sizes), dtype=torch.bool)
    others[begins + constant] = False
    for _ in range(4):  # nobody descends: the five come of age, and their means are known
        strategy.age[others] = 0
        strategy.penalty(made, data, before)
        strategy.after_step(made)
    assert (strategy.age[begins + constant] == 0).all()
    assert old.abs().min() > 0
    new = made.network.get_parameter(f"mixers.{layer}.out_proj.weight")
    assert not new[:, constant].any() and new.any(0).sum() == 27
    assert made.network.get_parameter(f"mixers.{layer}.in_proj.weight")[constant].all()
    torch.testing.assert_close(made(data.inputs), before, rtol=0, atol=1e-5)


@torch.no_grad()
def test_young_and_old_are_compared_at_their_true_utility():
    """Unit 20 is old, and the worst by a fifth; the young have met six batches of a memory of ten."""
    made, data = learner(ContinualBackprop(1 / 32, DECAY, 5)), batch(1)
    strategy, out = cbp(made), made.network.get_parameter("mixers.0.out_proj.weight")
    (h,) = activations(made.network, data.inputs, strategy.groups)
    size = h.abs().mean((0, 1))
    out[:, 20] *= 0.8 * float((size * out.abs().sum(0)).min() / (size * out.abs().sum(0))[20])
    strategy.age[16:], strategy.trace[0, 16:] = 1000, (size * out.abs().sum(0))[16:]
    for _ in range(6):
        strategy.due[0] = 0.0  # nothing is due until the young have come of age
        strategy.penalty(made, data, made(data.inputs))
        strategy.after_step(made)
    assert strategy.age[20] == 0 and (strategy.age == 0).sum() == 1


@torch.no_grad()
def test_the_gates_of_other_cells_are_given_the_mean_of_a_replaced_cell():
    made, data = learner(ContinualBackprop(1 / 8, DECAY, 0), LSTM), batch(1)
    strategy, (group,) = cbp(made), hidden_units(made.network)
    (h,) = activations(made.network, data.inputs, [group])
    weight, bias = (made.network.get_parameter(f"mixers.0.{n}_hh_l0") for n in ("weight", "bias"))
    utility = [float(h[..., k].abs().mean() * (1 + weight[:, k].abs().sum())) for k in range(8)]
    worst = utility.index(min(utility))
    column, old = weight[:, worst].clone(), bias.clone()
    strategy.penalty(made, data, made(data.inputs))
    strategy.after_step(made)
    assert (strategy.age == 0).nonzero().tolist() == [[worst]]
    for row in range(32):
        expected = old[row] + column[row] * h[..., worst].mean()
        found = 0.0 if row % 8 == worst else float(expected)
        assert math.isclose(float(bias[row]), found, abs_tol=1e-6)


def test_fractions_of_units_add_up():
    """32 units, none ever too young, 0.01 a step: floor(0.32 n) replaced after n steps."""
    made, replaced = learner(ContinualBackprop(0.01, DECAY, 0)), 0
    for n in range(1, 26):
        teach(made, n)
        replaced += int((cbp(made).age == 0).sum())
        assert replaced == math.floor(0.32 * n + 1e-9)


def test_young_units_are_left_alone_and_there_may_be_none_to_replace():
    made, plain = learner(ContinualBackprop(1.0, DECAY, 5)), learner(Finetune())
    for seed in range(5):
        teach(made, seed)
        teach(plain, seed)
    for p, q in zip(made.network.parameters(), plain.network.parameters(), strict=True):
        assert torch.equal(p, q)
    teach(made, 5)
    assert not cbp(made).age.any()  # all at once
    teach(made, 6)
    assert (cbp(made).age == 1).all()


@pytest.mark.parametrize("network", [Transformer, LSTM, Mamba, GatedDeltaNet, MLP])
def test_every_network_keeps_learning_while_units_are_replaced(network: type):
    made, data = learner(ContinualBackprop(0.02, DECAY, 3), network), batch(1)
    first = made.nll(made(data.inputs), data.targets, data.asked).item()
    for step in range(35):
        teach(made, step, data)
    strategy = cbp(made)
    assert int(strategy.age.min()) < 20 and 0 <= float(strategy.due.min()) < 1
    assert made.nll(made(data.inputs), data.targets, data.asked).item() < first - 0.03


def test_beside_replay_units_are_judged_on_the_batch():
    made, data = learner(Chain([Replay(capacity=8), ContinualBackprop(RATE)])), batch(2)
    assert isinstance(made.strategy, Chain)
    part = made.strategy.parts[1]
    assert isinstance(part, ContinualBackprop)
    made.strategy.after_batch(made, batch(1))
    (h,) = activations(made.network, data.inputs, part.groups)
    teach(made, 2, data)
    torch.testing.assert_close(part.now, torch.stack([h.abs().mean((0, 1)), h.mean((0, 1))]))


def test_two_replacements_draw_different_weights():
    made = learner(ContinualBackprop(1.0, DECAY, 0))
    drawn = []
    for seed in range(2):
        teach(made, seed)
        drawn.append(copy.deepcopy(made.network.get_parameter("mixers.0.in_proj.weight")))
    assert (drawn[0] - drawn[1]).abs().min() > 1e-5
