"""GPM against its definition: inputs of each layer by hand, bases by the paper's SVD, and what must not move."""

import numpy as np
import pytest
import torch
from torch import nn

from plasticity import Batch, Optimizer
from plasticity.core.optimizer import SGD, AdamW
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from strategies import Chain, LoRA
from strategies.gpm import GPM

from .teaching import learn
from .tiny import batch, learner, opposite

NETWORKS = [Transformer, LSTM, Mamba, GatedDeltaNet, MLP]


def wide(strategy: GPM, network: type, optimizer: Optimizer) -> OnlineLearner:
    """A learner with more room than a few sequences can fill."""
    return learner(strategy, network, optimizer, width=64, depth=2)


def teach(made: OnlineLearner, data: Batch, times: int = 1) -> None:
    for _ in range(times):
        learn(made, data)


def mlp_inputs(made: OnlineLearner, data: Batch) -> dict[str, np.ndarray]:
    """R of every matrix of the tiny MLP: one column per position of each sequence."""
    seen: dict[str, np.ndarray] = {}
    for name in ("mixers.0.in_proj", "mixers.0.out_proj", "head"):

        def hook(_: nn.Module, x: tuple[torch.Tensor, ...], name: str = name) -> None:
            seen[name] = x[0].detach().flatten(0, -2).double().numpy().T

        made.network.get_submodule(name).register_forward_pre_hook(hook)
    made(data.inputs)
    seen["embed"] = np.eye(3)[data.inputs.flatten().numpy()].T
    return seen


def widened(basis: np.ndarray, r: np.ndarray, threshold: float) -> np.ndarray:
    """Algorithm 1 of the paper: R_hat = R - M M^T R, the fewest left singular vectors that suffice."""
    r_hat = r - basis @ basis.T @ r
    u, s, _ = np.linalg.svd(r_hat, full_matrices=False)
    held, total = np.sum((basis @ (basis.T @ r)) ** 2), np.sum(r**2)
    k = 0
    while held + np.sum(s[:k] ** 2) < threshold * total:
        k += 1
    return np.hstack([basis, u[:, :k]])


def test_gpm_bases_are_the_papers_over_three_regimes_and_gradients_are_projected_off_them():
    made = learner(GPM(energy=0.9))
    strategy, names = made.strategy, ["embed", "mixers.0.in_proj", "mixers.0.out_proj", "head"]
    assert isinstance(strategy, GPM)
    bases = {n: np.zeros((s, 0)) for n, s in zip(names, (3, 8, 32, 8), strict=True)}
    ranks = []
    for seed, symbols in ((1, [0]), (2, [0, 1]), (3, [0, 1, 2])):
        data = batch(seed)
        data = data._replace(inputs=torch.tensor(symbols)[data.inputs % len(symbols)])
        for name, r in mlp_inputs(made, data).items():
            bases[name] = widened(bases[name], r, 0.9)
        strategy.after_batch(made, data)
        strategy.on_shift(made)
        ranks.append([bases[n].shape[1] for n in names])
        for name, span in zip(names, strategy.spans(), strict=True):
            by_hand = torch.from_numpy(bases[name] @ bases[name].T).float()[None]
            torch.testing.assert_close(span, by_hand, rtol=1e-4, atol=1e-5)
    assert ranks[0] == [1, 1, 1, 1] and ranks[0] < ranks[-1]
    made.nll(made(data.inputs), data.targets, data.asked).backward()
    plain = {n: p.grad.clone() for n, p in made.network.named_parameters() if p.grad is not None}
    strategy.project_gradients(made)
    for name, p in made.network.named_parameters():
        g, layer = plain[name].double().numpy(), name.removesuffix(".weight")
        if layer == "embed":
            expected = g - bases[layer] @ bases[layer].T @ g
        elif layer in bases:
            expected = g - g @ bases[layer] @ bases[layer].T
        else:
            expected = 0 * g
        assert p.grad is not None
        np.testing.assert_allclose(p.grad.numpy(), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9), AdamW(1e-2, weight_decay=0.1)])
def test_gpm_keeps_every_answer_to_the_old_inputs_and_still_learns(
    network: type, optimizer: Optimizer
):
    def both(strategy: GPM) -> tuple[torch.Tensor, OnlineLearner, float]:
        """How far old answers moved, and how much was gained on inputs that came later."""
        made = wide(strategy, network, optimizer)
        old, new = batch(1, 2), batch(2, 2)
        old, new = old._replace(inputs=old.inputs % 2), new._replace(inputs=new.inputs % 2 + 1)
        teach(made, old, 3)
        strategy.after_batch(made, old)
        strategy.on_shift(made)
        before, worse = made(old.inputs).detach(), made.nll(made(new.inputs), *new[1:3]).item()
        teach(made, new, 10)
        better = made.nll(made(new.inputs), *new[1:3]).item()
        return (made(old.inputs).detach() - before).abs().max(), made, worse - better

    moved, made, gained = both(GPM(energy=1.0))
    plain, _, _ = both(GPM(energy=0.0))
    assert moved < 1e-3 < 0.3 < plain
    assert gained > 0.05
    strategy = made.strategy
    assert isinstance(strategy, GPM) and len(strategy.found) >= 4
    known = {id(each.weight) for each in strategy.found}
    for name, p in made.network.named_parameters():
        assert (id(p) in known) == (p.ndim > 1), name


def test_gpm_under_plain_sgd_takes_the_projected_gradient_step():
    made = wide(GPM(), MLP, SGD(0.1))
    strategy, old, new = made.strategy, batch(1, 2), batch(2, 2)
    assert isinstance(strategy, GPM)
    strategy.after_batch(made, old)
    strategy.on_shift(made)
    before = {n: p.detach().clone() for n, p in made.network.named_parameters()}
    teach(made, new)
    for name, p in made.network.named_parameters():
        assert p.grad is not None
        torch.testing.assert_close(p.detach(), before[name] - 0.1 * p.grad, rtol=1e-5, atol=1e-6)


def test_gpm_is_finetuning_before_the_first_shift_and_freezes_the_rest_after():
    adam = AdamW(1e-2, weight_decay=0.1)
    made, plain, data = wide(GPM(), Mamba, adam), wide(GPM(0.0), Mamba, adam), batch(3)
    rest = {n: p for n, p in made.network.named_parameters() if p.ndim == 1}
    assert {n.rpartition(".")[2] for n in rest} >= {"A_log", "D", "dt_bias", "bias", "weight"}
    for _ in range(2):
        for each in (made, plain):
            teach(each, data)
            each.strategy.after_batch(each, data)
    for p, q in zip(made.network.parameters(), plain.network.parameters(), strict=True):
        assert torch.equal(p, q)
    made.strategy.on_shift(made)
    held = {n: p.detach().clone() for n, p in rest.items()}
    teach(made, opposite(data), 2)
    assert all(torch.equal(p, held[n]) for n, p in rest.items())


def test_gpm_at_a_shift_with_nothing_seen_does_nothing():
    made = learner(GPM())
    before = {k: v.clone() for k, v in made.state_dict().items()}
    made.strategy.on_shift(made)
    assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items())


def test_gpm_refuses_to_stand_beside_lora():
    with pytest.raises(ValueError, match="LoRA"):
        learner(Chain([LoRA(), GPM()]))


def test_gpm_stays_a_projection_over_many_regimes():
    made = learner(GPM(energy=0.5))
    strategy = made.strategy
    assert isinstance(strategy, GPM)
    for seed in range(200):
        with torch.no_grad():
            for p in made.network.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(seed)))
        strategy.after_batch(made, batch(seed))
        strategy.on_shift(made)
    for span in strategy.spans():
        torch.testing.assert_close(span @ span, span, rtol=0, atol=1e-5)
