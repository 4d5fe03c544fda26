"""ReDo: which units are recycled, when, and what is left of them."""

import math

import pytest
import torch

from plasticity.core.optimizer import AdamW
from plasticity.core.tunnel import Batch
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from strategies import Finetune, LoRA
from strategies.chain import Chain
from strategies.redo import ReDo

from .tiny import batch, learner

W_IN, B_IN = "mixers.0.in_proj.weight", "mixers.0.in_proj.bias"
W_OUT, B_OUT = "mixers.0.out_proj.weight", "mixers.0.out_proj.bias"


def redo(made: OnlineLearner) -> ReDo:
    assert isinstance(made.strategy, ReDo)
    return made.strategy


def met(made: OnlineLearner, *batches: Batch) -> None:
    """Counted and observed, without a step that would move the weights."""
    for data in batches:
        made.strategy.after_step(made)
        made.strategy.after_batch(made, data)


def state(made: OnlineLearner) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in made.network.named_parameters()}


def score_by_hand(made: OnlineLearner, inputs: torch.Tensor) -> list[float]:
    """s_i of the one block of the tiny MLP, one position at a time."""
    p, sizes = state(made), [0.0] * 32
    for symbol in inputs.flatten().tolist():
        x = p["embed.weight"][symbol]
        x = (x - x.mean()) / math.sqrt(float(x.var(correction=0)) + 1e-5)
        for i in range(32):
            z = float(p[W_IN][i] @ (x * p["norms.0.weight"] + p["norms.0.bias"]) + p[B_IN][i])
            sizes[i] += abs(z * 0.5 * (1 + math.erf(z / math.sqrt(2))))
    return [size / (sum(sizes) / 32) for size in sizes]


def test_the_units_of_low_score_and_no_other_begin_anew():
    """The score over all sequences since the last time, by hand; here they fit into the sample."""
    made, data = learner(ReDo(tau=0.6, every=3, samples=12)), list[Batch]()
    for symbol in range(3):
        data.append(batch(symbol)._replace(inputs=torch.full((4, 5), symbol)))
    for each in data[:2]:
        met(made, each)
    before = state(made)
    score = score_by_hand(made, torch.cat([each.inputs for each in data]))
    dormant = torch.tensor([s <= 0.6 for s in score])
    alone = [[s <= 0.6 for s in score_by_hand(made, each.inputs)] for each in data]
    met(made, data[2])
    after = state(made)
    assert 3 < dormant.sum() < 29
    assert dormant.tolist() not in alone
    assert redo(made).recycled == dormant.sum()
    assert torch.equal((before[W_IN] != after[W_IN]).all(1), dormant)
    assert torch.equal((before[W_IN] != after[W_IN]).any(1), dormant)
    assert torch.equal(after[W_OUT] == 0, dormant.expand(8, 32))
    assert torch.equal(after[W_OUT][:, ~dormant], before[W_OUT][:, ~dormant])
    rest = set(before) - {W_IN, W_OUT}  # the hidden biases are 0 at first
    assert all(torch.equal(before[name], after[name]) for name in rest)


def test_the_sample_is_of_what_came_since_the_last_time():
    made = learner(ReDo(tau=0.0, every=2, samples=8))
    with torch.no_grad():
        made.network.get_parameter("embed.weight")[2] *= -1
    met(made, *[batch(seed) for seed in range(3)])
    assert len(redo(made).recent) == 4 and redo(made).steps == 1
    assert torch.equal(redo(made).recent.inputs[:4], batch(2).inputs)
    met(made, batch(3))
    assert not len(redo(made).recent) and redo(made).steps == 0


def test_tau_zero_recycles_only_what_says_nothing_at_all_and_the_logits_stay():
    made, data, silent = learner(ReDo(tau=0.0, every=1)), batch(1), torch.tensor([4, 9])
    with torch.no_grad():
        made.network.get_parameter(W_IN)[silent] = 0
        made.network.get_parameter(B_IN)[7] = -3.0  # says little, and something
    before, said = state(made), made(data.inputs).detach()
    met(made, data)
    after = state(made)
    assert torch.equal((before[W_IN] != after[W_IN]).any(1).nonzero()[:, 0], silent)
    assert not after[W_OUT][:, silent].any() and after[W_OUT][:, 7].all()
    assert after[B_IN][7] == -3.0
    torch.testing.assert_close(made(data.inputs).detach(), said, rtol=0, atol=1e-6)


def test_biases_of_recycled_units_begin_anew_too_and_adam_forgets_them():
    made, data = learner(ReDo(tau=0.01, every=1), optimizer=AdamW(1e-3)), batch(1)
    made.nll(made(data.inputs), data.targets, data.asked).backward()
    made.optimizer.step()
    with torch.no_grad():
        made.network.get_parameter(B_IN)[7] = -9.0
    met(made, data)
    gone = torch.arange(32) == 7
    assert made.network.get_parameter(B_IN)[7] == 0
    for name, where in ((W_IN, gone[:, None].expand(32, 8)), (W_OUT, gone.expand(8, 32))):
        kept = made.optimizer.state[made.network.get_parameter(name)]
        for moment in ("exp_avg", "exp_avg_sq"):
            assert not kept[moment][where].any() and kept[moment][~where].any()
    assert made.optimizer.state[made.network.get_parameter(B_OUT)]["exp_avg"].all()


@pytest.mark.parametrize("network", [Transformer, LSTM, Mamba, GatedDeltaNet, MLP])
def test_all_units_of_every_network_can_be_recycled_and_it_learns_again(network: type):
    made, data = learner(ReDo(tau=1e9, every=1), network), batch(1)
    before = state(made)
    met(made, data)
    assert redo(made).recycled == sum(group.number for group in redo(made).groups) > 0
    assert any(not torch.equal(p, before[name]) for name, p in state(made).items())
    redo(made).every = 0
    first = made.nll(made(data.inputs), data.targets, data.asked).item()
    for _ in range(60):
        made.optimizer.zero_grad()
        made.nll(made(data.inputs), data.targets, data.asked).backward()
        made.optimizer.step()
    silenced = [part for group in redo(made).groups for part in group.silenced]
    assert all(part.rows(part.parameter.shape[part.axis]).any() for part in silenced)
    assert made.nll(made(data.inputs), data.targets, data.asked).item() < first - 0.03


def test_beside_lora_it_is_refused():
    with pytest.raises(
        ValueError, match="ReDo: expected hidden units whose weights are all trained"
    ):
        learner(Chain([LoRA(rank=1), ReDo(tau=1e9, every=1)]))


def test_never_is_never():
    made, plain = learner(ReDo(tau=1e9, every=0)), learner(Finetune())
    met(made, *[batch(seed) for seed in range(5)])
    assert all(torch.equal(p, state(plain)[name]) for name, p in state(made).items())
    assert redo(made).recycled == 0
