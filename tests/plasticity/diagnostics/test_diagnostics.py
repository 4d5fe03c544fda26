"""The condition of a network, column by column, against what the formulas say when computed another way."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plasticity import Network, discover, networks, recipe
from plasticity.checks.chance import difference, global_chance_untouched
from plasticity.checks.world import SPEC, loop, world
from plasticity.diagnostics import Condition
from plasticity.diagnostics.diagnostics import begin, measure, units_row
from plasticity.diagnostics.forward_probe import Activations, evaluation_mode
from plasticity.diagnostics.spectrum import (
    cka,
    effective_rank,
    leading,
    singular_values,
    stable_rank,
)
from plasticity.engine.prequential import Prequential
from strategies import Finetune, Frozen, LoRA

NETWORKS = list(discover(networks.__name__).values())
BATCH = world().probes()[0]


def made(kind: type[Network], strategy: type = Finetune, **args: int) -> Prequential:
    subject = loop(recipe(strategy, **args), recipe(kind, width=8, depth=1))
    subject.setup("fit")
    return subject


class Stranger(Network):
    """No class of ours: drops out, counts its calls in a buffer, reads out by its embedding, and is lukewarm."""

    calls: Tensor

    def __init__(self, vocab: int, symbols: int, width: int = 8, depth: int = 1):
        super().__init__(vocab, symbols)
        self.width, self.depth = width, depth
        self.embed = nn.Embedding(vocab, width)
        self.drop = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(width)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        x = self.drop(self.norm(self.embed(inputs).mT).mT)
        return x @ self.embed.weight[: self.symbols].T / 2.0


@pytest.mark.parametrize("shape", [(40, 6), (5, 9)])
def test_ranks_are_those_of_a_singular_value_decomposition(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=shape) * 3.0 ** -np.arange(shape[1])
    s = np.linalg.svd(a, compute_uv=False)
    mine = singular_values(torch.from_numpy(a))
    assert mine.numpy() == pytest.approx(s, rel=1e-6, abs=1e-7 * s[0])
    p = s / s.sum()
    assert effective_rank(mine) == pytest.approx(math.prod(float(x**-x) for x in p), rel=1e-5)
    norms = np.linalg.norm(a), np.linalg.norm(a, 2)
    assert stable_rank(mine) == pytest.approx((norms[0] / norms[1]) ** 2)
    for values in (s, s**2):
        ks = range(1, len(values) + 1)
        k = next(k for k in ks if values[:k].sum() / values.sum() >= 0.99)
        assert leading(torch.from_numpy(values)) == k
    nothing = singular_values(torch.zeros(4, 3))
    assert (effective_rank(nothing), stable_rank(nothing), leading(nothing)) == (0, 0, 0)


def test_alignment_is_that_of_the_centred_kernels() -> None:
    """HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) of n x n kernels (Kornblith et al. 2019, equations 3 and 4)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, 5, generator=generator, dtype=torch.float64) + 3
    y = x[:, :2] @ torch.randn(2, 4, generator=generator, dtype=torch.float64) + 0.3
    h = torch.eye(30, dtype=torch.float64) - 1 / 30

    def hsic(k: Tensor, other: Tensor) -> Tensor:
        return torch.trace(k @ h @ other @ h) / 29**2

    k, other = x @ x.T, y @ y.T
    expected = hsic(k, other) / (hsic(k, k) * hsic(other, other)).sqrt()
    assert cka(x, y) == pytest.approx(float(expected))
    turn = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64)).Q
    assert cka(x, -2 * x @ turn + 7) == pytest.approx(1)


@pytest.mark.parametrize("strategy, args", [(Finetune, {}), (LoRA, {"rank": 2})])
@pytest.mark.parametrize("kind", NETWORKS)
def test_features_are_what_the_head_is_given(
    kind: type[Network], strategy: type, args: dict[str, int]
) -> None:
    subject, given = made(kind, strategy, **args), list[Tensor]()
    head = subject.learner.network.get_submodule("head")
    handle = head.register_forward_pre_hook(lambda _, x: given.append(x[0]))
    with evaluation_mode(subject.learner.network) as bare:
        seen = bare.look(BATCH.inputs, BATCH.asked)
    handle.remove()
    (x,) = given
    assert torch.equal(seen.features, x[:, BATCH.asked].reshape(-1, 8))
    assert seen.features.shape == (8 * 3, 8)


def test_a_readout_need_not_be_a_layer() -> None:
    subject = made(Stranger)
    with evaluation_mode(subject.learner.network) as bare:
        seen = bare.look(BATCH.inputs, BATCH.asked)
        network = bare.network
        assert isinstance(network, Stranger)
        x = network.norm(network.embed(BATCH.inputs).mT).mT
    assert torch.equal(seen.features, x[:, BATCH.asked].reshape(-1, 8)) and not seen.heard
    lookup = nn.Embedding(3, 3)
    with evaluation_mode(lookup) as bare:  # no linear map at all
        features = bare.look(BATCH.inputs, BATCH.asked).features
    assert torch.equal(features, lookup(BATCH.inputs)[:, BATCH.asked].flatten(0, 1))


def test_units_that_are_of_no_use_are_counted() -> None:
    h = torch.ones(2, 5, 4)
    h[..., 0] = 0.0  # dead
    h[..., 1] = 0.05  # of 0.76 on average: dormant at 0.1 only
    h[..., 3] = 2.0
    full = torch.full((2, 5, 4), -0.995)  # saturated but for one, which is so at 9 of 10 positions
    full[0, 0, 0] = 0.5
    row = units_row(Activations(torch.zeros(1, 1), [h, full]))
    assert list(row.values()) == [1 / 8, 2 / 8, 1 / 8, 1 / 8 + 3 / 8]
    assert all(math.isnan(v) for v in units_row(Activations(torch.zeros(1, 1), [])).values())


def test_units_of_networks_are_found() -> None:
    """Three channels far below GELU's bend; an LSTM whose gates are open and whose memory is full."""
    still_ones, full = made(networks.MLP), made(networks.LSTM)
    with torch.no_grad():
        still_ones.learner.network.get_parameter("mixers.0.in_proj.bias")[:3] = -1e4
        full.learner.network.get_parameter("mixers.0.bias_ih_l0")[:] = 50.0
    plan = Condition()
    row = measure(plan, still_ones, BATCH)
    assert row["dead/lop2024"] == row["dormant/tau0.025"] == 3 / 32
    assert row["saturated/tau0.99"] == 0
    row = measure(plan, full, BATCH)  # the first of six positions: tanh(1) = 0.76; then tanh(2) ...
    assert row["saturated/tau0.99"] == 0
    long = BATCH._replace(inputs=BATCH.inputs.repeat(1, 200), asked=BATCH.asked.repeat(200))
    long = long._replace(targets=BATCH.targets.repeat(1, 200))
    assert measure(plan, full, long)["saturated/tau0.99"] == 1


@pytest.mark.parametrize("strategy, args", [(Finetune, {}), (Frozen, {}), (LoRA, {"rank": 2})])
@pytest.mark.parametrize("kind", NETWORKS)
def test_weights_and_gradient_are_of_every_parameter(
    kind: type[Network], strategy: type, args: dict[str, int]
) -> None:
    subject = made(kind, strategy, **args)
    plan = Condition(samples=5)
    start = begin(plan, subject.learner, BATCH)
    moved = deepcopy(subject.learner.network)
    with torch.no_grad():
        for p in subject.learner.network.parameters():
            p += 0.1
    row = measure(plan, subject, BATCH, start)
    params = [p.detach() for p in subject.learner.network.parameters()]
    number = sum(p.numel() for p in params)
    assert row["weight/l2"] == pytest.approx(
        math.sqrt(sum(float(p.square().sum()) for p in params))
    )
    total = sum(float(p.abs().sum()) for p in params)
    assert row["weight/mean_abs"] == pytest.approx(total / number)
    assert row["weight/distance"] == pytest.approx(0.1 * math.sqrt(number), rel=1e-5)
    assert math.isnan(row["update/l2"]) and math.isnan(row["plasticity/upgd2024"])
    for p, now in zip(moved.parameters(), subject.learner.network.parameters(), strict=True):
        p.data.copy_(now)
        p.requires_grad_()
    logits = moved(BATCH.inputs[:5])[:, BATCH.asked]
    F.cross_entropy(logits.mT, BATCH.targets[:5, BATCH.asked]).backward()
    squares = [float(p.grad.square().sum()) for p in moved.parameters() if p.grad is not None]
    assert row["gradient/l2"] == pytest.approx(math.sqrt(sum(squares)), rel=1e-5)
    assert 0 < row["drift/cka2019"] < 1
    assert (
        measure(plan, subject, BATCH, begin(plan, subject.learner, BATCH))["drift/cka2019"] < 1e-12
    )


@pytest.mark.parametrize("kind", [*NETWORKS, Stranger])
def test_measuring_leaves_no_trace(kind: type[Network]) -> None:
    """A layer in another mode, gradients that wait, a buffer that counts, dropout: all as it was."""
    subject = made(kind)
    modules = list(subject.learner.network.modules())
    modules[1].eval()
    for k, p in enumerate(subject.learner.network.parameters()):
        p.requires_grad_(k % 2 == 0)
        p.grad = torch.full_like(p, float(k)) if k % 2 == 0 else None
    modes = [module.training for module in modules]
    before = deepcopy(subject.state_dict())
    plan = Condition(hessian=2)
    with global_chance_untouched("measuring", "nowhere"):
        start = begin(plan, subject.learner, BATCH)
        one, other = (measure(plan, subject, BATCH, start) for _ in range(2))
    assert not difference(before, subject.state_dict())
    assert modes == [module.training for module in modules]
    assert {True, False} <= set(modes) or len(modules) == 1
    for k, p in enumerate(subject.learner.network.parameters()):
        assert p.requires_grad == (k % 2 == 0)
        assert p.grad is None if k % 2 else bool((p.grad == k).all())
    hooks = [m._forward_hooks or m._forward_pre_hooks for m in subject.learner.network.modules()]
    assert not any(hooks)
    np.testing.assert_equal(one, other)


def test_what_would_never_be_measured_is_refused() -> None:
    Condition(every=0)
    with pytest.raises(ValueError, match="every: expected 1 or more"):
        Condition(every=0, hessian=3)
    assert SPEC.time == 6  # what the numbers above are about
