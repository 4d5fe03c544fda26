"""The Mamba-2 mixer against its recurrence, written step by step, and against Hugging Face's."""

import pytest
import torch
from torch import Tensor

from plasticity.networks import Mamba
from plasticity.networks.mamba import CHUNK, SSD, kernel


def mixer(width: int = 12, state: int = 5, heads: int = 3, expand: int = 2, conv: int = 4) -> SSD:
    """A mixer whose every parameter differs from its neutral value."""
    torch.manual_seed(0)
    block = SSD(width, state, heads, expand, conv)
    with torch.no_grad():
        for p in (block.D, block.norm.weight, block.dt_bias):
            p.add_(torch.randn_like(p))
    return block


def recurrence(block: SSD, u: Tensor) -> Tensor:
    """Dao & Gu 2024, equation 2 with scalar A: one sequence (time, width), one step at a time."""
    heads, conv, bias = len(block.D), block.conv1d.weight.shape[-1], block.conv1d.bias
    assert bias is not None
    inner = block.out_proj.in_features
    state, size = (block.conv1d.weight.shape[0] - inner) // 2, inner // heads
    h = torch.zeros(heads, size, state, dtype=u.dtype)
    seen = torch.zeros(conv, inner + 2 * state, dtype=u.dtype)
    outputs = []
    for row in u:
        projected = block.in_proj.weight @ row
        z, xbc, dt = projected[:inner], projected[inner:-heads], projected[-heads:]
        seen = torch.cat([seen[1:], xbc[None]])
        mixed = (seen * block.conv1d.weight[:, 0].T).sum(0) + bias
        mixed = mixed / (1 + torch.exp(-mixed))
        x, b, c = mixed[:inner].view(heads, size), mixed[inner : inner + state], mixed[-state:]
        dt = torch.log1p(torch.exp(dt + block.dt_bias))
        keep = torch.exp(-dt * torch.exp(block.A_log))
        h = keep[:, None, None] * h + dt[:, None, None] * x[:, :, None] * b
        y = ((h * c).sum(-1) + block.D[:, None] * x).reshape(inner)
        y = y * z / (1 + torch.exp(-z))
        y = y / torch.sqrt((y * y).mean() + 1e-5) * block.norm.weight
        outputs.append(block.out_proj.weight @ y)
    return torch.stack(outputs)


@pytest.mark.parametrize("time", [1, 3, 40])
def test_the_masked_product_is_the_recurrence(time: int):
    block = mixer().double()
    u = torch.randn(2, time, 12, dtype=torch.float64)
    want = torch.stack([recurrence(block, sequence) for sequence in u])
    torch.testing.assert_close(block(u), want, rtol=0, atol=1e-10)


@pytest.mark.parametrize("time", [7, 40])
def test_the_mixer_is_hugging_faces(time: int):
    from transformers.models.mamba2.configuration_mamba2 import Mamba2Config
    from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

    config = Mamba2Config(
        hidden_size=12,
        expand=2,
        num_heads=3,
        head_dim=8,
        state_size=5,
        n_groups=1,
        conv_kernel=4,
        chunk_size=16,
        num_hidden_layers=1,
    )
    block, theirs = mixer(), Mamba2Mixer(config, layer_idx=0)
    theirs.load_state_dict(block.state_dict())  # strict: the same names and shapes
    u = torch.randn(2, time, 12)
    torch.testing.assert_close(block(u), theirs(u), rtol=0, atol=1e-5)


@pytest.mark.parametrize("time", [7, 300])
def test_the_masked_product_is_the_chunked_scan_of_the_kernels_interface(time: int):
    """Hugging Face's PyTorch scan has the kernel's signature: the arguments go where the kernel wants them."""
    from transformers.models.mamba2.modeling_mamba2 import mamba2_chunk_scan

    block = mixer().double()
    torch.manual_seed(1)
    x, dt = torch.randn(2, time, 3, 8).double(), torch.rand(2, time, 3).double()
    A, D = -torch.rand(3).double(), torch.randn(3).double()
    B, C = torch.randn(2, 2, time, 1, 5).double()
    theirs = mamba2_chunk_scan(x, dt, A, B, C, CHUNK, D=D)
    torch.testing.assert_close(block.masked(x, dt, A, B, C, CHUNK, D=D), theirs, rtol=0, atol=1e-4)


@pytest.mark.skipif(
    kernel() is None or not torch.cuda.is_available(), reason="no mamba-ssm, or no GPU"
)
@pytest.mark.parametrize("time", [7, 300])
def test_the_kernel_agrees_with_the_masked_product(time: int):
    block = mixer().cuda()
    u = torch.randn(2, time, 12, device="cuda", requires_grad=True)
    fused = block(u)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plasticity.networks.mamba.kernel", lambda: None)
        ours = block(u)
    torch.testing.assert_close(fused, ours, rtol=1e-2, atol=1e-2)  # the kernel multiplies in TF32
    weight = torch.randn_like(ours)
    one, other = (torch.autograd.grad((y * weight).sum(), u)[0] for y in (fused, ours))
    torch.testing.assert_close(one, other, rtol=2e-2, atol=2e-2)


def test_no_length_overflows_the_decays():
    block = mixer()
    with torch.no_grad():
        block.dt_bias.fill_(20.0)  # decays of exp(-20 A) a step: exp of a difference would overflow
    u = torch.randn(1, 300, 12, requires_grad=True)
    y = block(u)
    y.sum().backward()
    assert y.isfinite().all()
    assert u.grad is not None and u.grad.isfinite().all()


def test_steps_and_decays_start_in_the_papers_ranges():
    block = SSD(64, 16, 64, 2, 4)
    steps, rates = torch.nn.functional.softplus(block.dt_bias), block.A_log.exp()
    assert 1e-3 <= steps.min() * 1.001 and steps.max() <= 0.1 * 1.001
    assert 1 <= rates.min() and rates.max() <= 16
    assert (block.D == 1).all()


def test_heads_that_do_not_split_the_width_are_refused():
    with pytest.raises(ValueError, match="make expand \\* width a multiple of heads"):
        Mamba(3, 3, width=10, heads=3)
