"""The Hessian's spectrum by Lanczos against the whole matrix."""

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import hessian
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from plasticity import Network, discover, networks, recipe
from plasticity.checks.world import loop, world
from plasticity.diagnostics import Condition
from plasticity.diagnostics.curvature import hessian_ritz, lanczos
from plasticity.diagnostics.diagnostics import measure
from plasticity.diagnostics.forward_probe import evaluation_mode, held_out
from plasticity.diagnostics.spectrum import effective_rank
from plasticity.engine.prequential import Prequential
from plasticity.nn.parameters import vector_to_tensors
from strategies import Finetune, LoRA

SIZES = {
    "MLP": {"width": 2},
    "LSTM": {"width": 3},
    "GatedDeltaNet": {"width": 2, "keys": 2, "heads": 1, "expand": 1, "conv": 2},
    "Mamba": {"width": 3, "state": 2, "heads": 1, "expand": 1, "conv": 2},
    "Transformer": {"width": 2, "heads": 1},
}
BATCH = held_out(world().probes()[0], 3, torch.device("cpu"))


def made(name: str) -> Prequential:
    network: type[Network] = getattr(networks, name)
    subject = loop(recipe(Finetune), recipe(network, depth=1, **SIZES[name]))
    subject.setup("fit")
    return subject


def exact(module: Prequential) -> Tensor:
    """Eigenvalues of the Hessian, all of them; in float64."""
    subject = module.learner
    double = {k: v.double() for k, v in subject.network.named_buffers()}
    params = {k: p.detach().double() for k, p in subject.network.named_parameters()}

    def loss(row: Tensor) -> Tensor:
        values = dict(zip(params, vector_to_tensors(row, list(params.values())), strict=True))
        logits = functional_call(subject.network, values | double, (BATCH.inputs,))
        return subject.nll(logits, BATCH.targets, BATCH.asked)

    theta = torch.cat([p.flatten() for p in params.values()])
    with sdpa_kernel(SDPBackend.MATH):
        found = hessian(loss, theta)
    assert isinstance(found, Tensor)
    return torch.linalg.eigvalsh(found)


@pytest.mark.parametrize("name", discover(networks.__name__))
def test_with_as_many_steps_as_parameters_every_eigenvalue_is_found(name: str) -> None:
    subject = made(name)
    values = exact(subject)
    largest = values.abs().max()
    with evaluation_mode(subject.learner.network) as bare:
        ritz = hessian_ritz(subject.learner, bare, BATCH, len(values))
        few = hessian_ritz(subject.learner, bare, BATCH, 5)
    apart = (ritz[:, None] - values).abs()
    assert apart.min(1).values.max() < 1e-6 * largest  # nothing that is none
    distinct = values[values.abs() > 1e-5 * largest]
    assert (distinct[:, None] - ritz).abs().min(1).values.max() < 1e-6 * largest
    assert len(few) == 5 and few.abs().max() <= largest * (1 + 1e-9)
    row = measure(Condition(samples=3, hessian=len(values)), subject, BATCH)
    assert row["hessian_rank/ritz0.1"] == (values.abs() > 0.1 * largest).sum()
    kept = values.abs().sort(descending=True).values
    assert row["hessian_rank/roy2007"] == pytest.approx(effective_rank(kept), rel=1e-5)


def test_adapters_have_curvature_too() -> None:
    subject = loop(recipe(LoRA, rank=2))
    subject.setup("fit")
    row = measure(Condition(hessian=6), subject, BATCH)
    assert 1 <= row["hessian_rank/ritz0.1"] <= 6


def test_lanczos_ends_where_there_is_nothing_more() -> None:
    """Eigenvalues that are repeated are found once."""
    generator = torch.Generator().manual_seed(0)
    q = torch.linalg.qr(torch.randn(7, 7, generator=generator, dtype=torch.float64)).Q
    values = torch.tensor([-2.0, 0, 0, 0, 1, 3, 3], dtype=torch.float64)
    a = q @ values.diag() @ q.T
    found = lanczos(lambda v: a @ v, torch.ones(7, dtype=torch.float64), 7)
    torch.testing.assert_close(found, torch.tensor([-2.0, 0, 1, 3], dtype=torch.float64))
    zero = lanczos(lambda v: 0 * v, torch.ones(3, dtype=torch.float64), 3)
    assert zero.tolist() == [0.0]
