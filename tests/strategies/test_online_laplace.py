"""Online Laplace against Kronecker products written out in full, and against the curvature where it is exact."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from plasticity.core.learner import Spec
from plasticity.core.optimizer import AdamW, Optimizer
from plasticity.core.tunnel import Batch
from plasticity.engine.learner import OnlineLearner
from plasticity.networks import LSTM, MLP, GatedDeltaNet, Mamba, Transformer
from strategies import Chain, Finetune, LoRA
from strategies.online_laplace import OnlineLaplace, nearest

from .teaching import meet
from .tiny import ASKED, answered, batch, learner, log_likelihood

NETWORKS = [Transformer, LSTM, Mamba, GatedDeltaNet, MLP]


class Told(OnlineLaplace):
    """Answers what came, so that a test knows what was answered."""

    def answers(self, logits: Tensor, rng: torch.Generator) -> Tensor:
        self.turn = getattr(self, "turn", -1) + 1
        return self.recent.targets[self.turn % len(self.recent)][None]


def student(
    strategy: OnlineLaplace | Chain | Finetune,
    network: type = MLP,
    optimizer: Optimizer | None = None,
    seed: int = 0,
) -> OnlineLearner:
    made = learner(strategy, network, optimizer, seed=seed)
    jog(made, 1, 0.3)
    if isinstance(strategy, OnlineLaplace):
        strategy.mode.copy_(torch.cat([p.detach().flatten() for p in strategy.weights()]))
    return made


def jog(made: OnlineLearner, seed: int, by: float) -> None:
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in made.network.parameters():
            if p.requires_grad:
                p.add_(torch.randn(p.shape, generator=rng), alpha=by)


def consolidate(made: OnlineLearner, data: Batch) -> None:
    made.strategy.after_batch(made, data)
    made.strategy.on_shift(made)


def by_hand(made: OnlineLearner, data: Batch) -> dict[str, np.ndarray]:
    """Of each linear layer the Kronecker product (weights row by row, bias last in each); of the rest the diagonal."""
    network, n, asked = made.network, len(data.inputs), int(data.asked.sum())
    found: dict[str, np.ndarray] = {}
    linear = {k: m for k, m in network.named_modules() if isinstance(m, nn.Linear)}
    for name, module in linear.items():
        ins, outs = [], []
        for x, y in zip(data.inputs, data.targets, strict=True):
            nudge = torch.zeros(len(x), module.out_features, requires_grad=True)
            handle = module.register_forward_hook(
                lambda _, given, out, nudge=nudge, ins=ins: ins.append(given[0][0]) or out + nudge
            )
            total = log_likelihood(network, x, y, data.asked)
            handle.remove()
            outs.append(torch.autograd.grad(total, nudge)[0])
        A = np.zeros(2 * (module.in_features + (module.bias is not None),))
        G = np.zeros(2 * (module.out_features,))
        for a, g in zip(torch.cat(ins).detach().numpy(), torch.cat(outs).numpy(), strict=True):
            a = np.append(a, 1.0) if module.bias is not None else a
            A += np.outer(a, a) / (n * 5)
            G += np.outer(g, g) / (n * asked)
        found[name] = np.kron(G, A)
    names = {k for m in linear for k in (f"{m}.weight", f"{m}.bias")}
    rest = {k: p for k, p in network.named_parameters() if k not in names}
    for name, p in rest.items():
        found[name] = np.zeros(p.shape)
        for x, y in zip(data.inputs, data.targets, strict=True):
            total = log_likelihood(network, x, y, data.asked)
            found[name] += torch.autograd.grad(total, p)[0].numpy() ** 2 / (n * asked)
    return found


def distance(made: OnlineLearner, name: str, start: dict[str, Tensor]) -> np.ndarray:
    """How far a layer's weights, with the bias as a column, or a parameter went."""
    moved = {k: p.detach() - start[k] for k, p in made.network.named_parameters()}
    if name in moved:
        return moved[name].numpy()
    bias = [moved[f"{name}.bias"][:, None]] if f"{name}.bias" in moved else []
    return torch.cat([moved[f"{name}.weight"], *bias], dim=1).flatten().numpy()


@pytest.mark.parametrize("network", NETWORKS)
def test_the_penalty_is_half_the_strength_times_the_quadratic_form(network: type):
    strategy = Told(strength=7.0, prior=0.02)
    made, data = student(strategy, network), batch(1)
    curvature = by_hand(made, data)
    consolidate(made, data)
    start = {k: p.detach().clone() for k, p in made.network.named_parameters()}
    assert strategy.energy().item() == 0
    jog(made, 2, 0.1)
    total = 0.0
    for name, form in curvature.items():
        d = distance(made, name, start)
        linear = f"{name}.weight" in start
        total += d @ form @ d if linear else (form * d**2).sum()
        total += 0.02 * (d**2).sum()
    found = torch.as_tensor(strategy.penalty(made, data, made(data.inputs)))
    assert found.item() == pytest.approx(7.0 / 2 * total, rel=1e-4)
    prior = sum(
        float((p.detach() - start[k]).square().sum()) for k, p in made.network.named_parameters()
    )
    assert total > 1.1 * 0.02 * prior


def test_what_is_no_linear_layers_gets_the_diagonal():
    """The LSTM's matrices are bare parameters; Mamba's convolution is no linear layer."""
    for network, names in (
        (LSTM, ("weight_ih_l0", "bias_hh_l0")),
        (Mamba, ("conv1d.weight", "A_log")),
    ):
        strategy = Told()
        made = student(strategy, network)
        rest = {id(p) for p in strategy.rest}
        found = {k for k, p in made.network.named_parameters() if id(p) in rest}
        assert all(f"mixers.0.{name}" in found for name in names)
        assert "embed.weight" in found and not any("head" in k or "proj" in k for k in found)


def test_for_one_position_it_is_the_fisher_information_of_each_layer_itself():
    """One sequence, one position: (grad . d)^2, d in one layer at a time."""
    strategy, data = Told(prior=0.0), batch(1)
    spec, asked = Spec(vocab=3, symbols=3, batch=1, time=1), torch.ones(1, dtype=torch.bool)
    made = learner(strategy, spec=spec, asked=asked)
    jog(made, 1, 0.3)
    data = Batch(data.inputs[:1, :1], data.targets[:1, :1], asked)
    consolidate(made, data)
    network = made.network
    total = log_likelihood(network, data.inputs[0], data.targets[0], data.asked)
    for name in ("mixers.0.in_proj", "mixers.0.out_proj", "head"):
        pair = [network.get_parameter(f"{name}.{kind}") for kind in ("weight", "bias")]
        grads = torch.autograd.grad(total, pair, retain_graph=True)
        before = [p.detach().clone() for p in pair]
        rng = torch.Generator().manual_seed(3)
        steps = [torch.randn(p.shape, generator=rng) for p in pair]
        with torch.no_grad():
            for p, step in zip(pair, steps, strict=True):
                p.add_(step)
        along = sum(float((g * step).sum()) for g, step in zip(grads, steps, strict=True))
        assert strategy.energy().item() == pytest.approx(along**2, rel=1e-3)
        with torch.no_grad():
            for p, old in zip(pair, before, strict=True):
                p.copy_(old)


def rearranged(full: np.ndarray, n: int, m: int) -> np.ndarray:
    """The matrix of rank 1 that a Kronecker product of (n, n) and (m, m) becomes."""
    return full.reshape(n, m, n, m).transpose(0, 2, 1, 3).reshape(n * n, m * m)


def semidefinite(rng: np.random.Generator, n: int) -> np.ndarray:
    return (root := rng.normal(size=(n, n - 1))) @ root.T


@pytest.mark.parametrize("decay", [0.0, 0.3, 1.0])
def test_two_regimes_become_the_nearest_kronecker_product(decay: float):
    """By a singular value decomposition of all entries, rearranged; and both factors stay semi-definite."""
    rng = np.random.default_rng(0)
    for _ in range(10):
        old, new = ([semidefinite(rng, 4), semidefinite(rng, 3)] for _ in range(2))
        full = decay * np.kron(*old) + np.kron(*new)
        u, s, v = np.linalg.svd(rearranged(full, 4, 3))
        one, two = ((torch.from_numpy(a), torch.from_numpy(g)) for a, g in (old, new))
        a, g = (f.numpy() for f in nearest(decay, one, two))
        best = s[0] * np.outer(u[:, 0], v[0])
        np.testing.assert_allclose(rearranged(np.kron(a, g), 4, 3), best, atol=1e-10)
        assert np.linalg.eigvalsh(a).min() > -1e-10 and np.linalg.eigvalsh(g).min() > -1e-10
        if decay == 0:
            np.testing.assert_allclose(np.kron(a, g), full, atol=1e-10)


def test_the_second_regime_is_added_to_the_first_and_the_mode_moves():
    strategy = Told(decay=0.5, prior=0.0)
    made, one, two = student(strategy), batch(1), batch(2)
    first = by_hand(made, one)
    consolidate(made, one)
    jog(made, 2, 0.1)
    assert strategy.energy().item() > 0
    second = by_hand(made, two)
    consolidate(made, two)
    assert strategy.energy().item() == 0
    table = strategy.rest[0]
    expected = 0.5 * first["embed.weight"] + second["embed.weight"]
    np.testing.assert_allclose(
        strategy.diagonal[: table.numel()].view(3, 8), expected, rtol=1e-4, atol=1e-7
    )
    (a, g), i = strategy.factors()[-1], 3
    full = 0.5 * first["head"] + second["head"]
    u, s, v = np.linalg.svd(rearranged(full, i, 9))
    best = s[0] * np.outer(u[:, 0], v[0])
    np.testing.assert_allclose(rearranged(np.kron(g, a), i, 9), best, rtol=1e-3, atol=1e-5)


def test_before_the_first_shift_there_is_the_prior_around_where_it_began():
    strategy = OnlineLaplace(strength=2.0, prior=0.5)
    made, data = student(strategy), batch(1)
    strategy.on_shift(made)  # nothing was seen
    start = [p.detach().clone() for p in made.network.parameters()]
    jog(made, 2, 0.1)
    strategy.on_shift(made)
    far = sum(
        float((p.detach() - q).square().sum())
        for p, q in zip(made.network.parameters(), start, strict=True)
    )
    found = torch.as_tensor(strategy.penalty(made, data, made(data.inputs)))
    assert found.item() == pytest.approx(0.5 * far, rel=1e-5)


def test_answers_are_drawn_from_what_is_predicted():
    """20,000 draws of three symbols, z < 4.5."""
    logits = torch.tensor([0.0, 1.0, -1.5]).expand(1, 20000, 3)
    drawn = OnlineLaplace().answers(logits, torch.Generator().manual_seed(0))
    p = logits[0, 0].double().softmax(-1).numpy()
    counts = np.bincount(drawn.flatten().numpy(), minlength=3)
    z = (counts - 20000 * p) / np.sqrt(20000 * p * (1 - p))
    assert np.abs(z).max() < 4.5


def test_targets_do_not_matter_to_the_fisher_information():
    factors = []
    for seed in (3, 4):
        strategy = OnlineLaplace()
        made = student(strategy)
        consolidate(made, batch(1)._replace(targets=batch(seed).targets))
        factors.append(torch.cat([f.flatten() for pair in strategy.factors() for f in pair]))
    assert torch.equal(*factors) and factors[0].any()


def test_it_holds_on_to_what_it_said_in_the_regime_before():
    def lost(strength: float, seed: int) -> float:
        """Rise of the loss on the old regime, in nats, after 40 steps on another; all of it is in the sample."""
        made = student(OnlineLaplace(strength, samples=160), optimizer=AdamW(0.01), seed=seed)
        losses = []
        for regime in range(2):
            if regime:
                made.strategy.on_shift(made)
            for step in range(40):
                x = batch(step).inputs % 2 if regime == 0 else torch.full((4, 5), 2)
                meet(made, step, answered(batch(step)._replace(inputs=x), (x + 1) % 3))
            x = batch(99).inputs % 2
            losses.append(made.nll(made(x), (x + 1) % 3, ASKED).item())
        return losses[1] - losses[0]

    assert max(lost(100.0, seed) for seed in range(2)) < 0.5 * lost(0.0, 0)


@pytest.mark.parametrize("network", NETWORKS)
def test_behind_lora_adapters_are_what_is_held(network: type):
    strategy = OnlineLaplace()
    made = learner(Chain([LoRA(rank=2), strategy]), network)
    trained = sum(p.numel() for p in made.trainable())
    assert not strategy.linear and len(strategy.diagonal) == len(strategy.mode) == trained
    consolidate(made, batch(1))
    assert strategy.diagonal.any()


class Twice(MLP):
    """Its one linear map is used twice, and its head is its embedding."""

    def __init__(self, vocab: int, symbols: int, width: int, depth: int):
        super().__init__(vocab, symbols, width, depth)
        self.again = nn.Linear(width, width)
        self.head = nn.Linear(width, symbols)
        self.head.weight = self.embed.weight

    def begin(self, inputs: Tensor) -> Tensor:
        return self.again(self.again(super().begin(inputs)))


def test_a_layer_used_twice_is_one_layer_and_a_weight_used_elsewhere_too_is_on_the_diagonal():
    strategy = Told()
    made, data = student(strategy, Twice), batch(1, size=1)
    network = made.network
    assert isinstance(network, Twice)
    assert any(p is network.embed.weight for p in strategy.rest)
    (where,) = [i for i, layer in enumerate(strategy.linear) if layer is network.again]
    first = network.embed(data.inputs)
    ins = [first[0].detach(), network.again(first)[0].detach()]
    consolidate(made, data)
    a, g = strategy.factors()[where]
    rows = torch.cat([torch.cat(ins), torch.ones(10, 1)], dim=1)
    torch.testing.assert_close(a / a.trace(), rows.T @ rows / rows.square().sum())
    assert g.trace() > 0
