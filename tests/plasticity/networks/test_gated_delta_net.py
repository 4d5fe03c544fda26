"""The gated delta rule in chunks against its recurrence, written step by step, and against Hugging Face's."""

import pytest
import torch
from torch import Tensor

from plasticity.networks import GatedDeltaNet
from plasticity.networks.gated_delta_net import CHUNK, GatedDelta, gated_delta_rule

WIDTH, KEYS, HEADS, EXPAND, CONV = 12, 5, 3, 2, 4


def mixer() -> GatedDelta:
    """A mixer whose every parameter differs from its neutral value, and whose memory decays noticeably."""
    torch.manual_seed(0)
    block = GatedDelta(WIDTH, KEYS, HEADS, EXPAND, CONV)
    with torch.no_grad():
        for p in (block.norm.weight, block.dt_bias):
            p.add_(torch.randn_like(p))
    return block


def arguments(time: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """q, k, v, log decay and beta of two sequences; keys of length 1, and decays from strong to none."""
    torch.manual_seed(1)
    q, k = torch.randn(2, 2, HEADS, time, KEYS, dtype=torch.float64)
    v = torch.randn(2, HEADS, time, 8, dtype=torch.float64)
    decay = -torch.rand(2, HEADS, time, dtype=torch.float64).pow(4)
    beta = torch.rand(2, HEADS, time, dtype=torch.float64)
    q, k = (x / x.norm(dim=-1, keepdim=True) for x in (q, k))
    return q, k, v, decay, beta


def recurrence(q: Tensor, k: Tensor, v: Tensor, decay: Tensor, beta: Tensor) -> Tensor:
    """Yang, Kautz & Hatamizadeh, equation 10, one time and one head of one sequence after the other."""
    out = torch.zeros_like(v)
    for b in range(v.shape[0]):
        for h in range(v.shape[1]):
            S = torch.zeros(v.shape[-1], k.shape[-1], dtype=v.dtype)
            for t in range(v.shape[2]):
                key, rate = k[b, h, t], beta[b, h, t]
                erase = torch.eye(len(key), dtype=v.dtype) - rate * torch.outer(key, key)
                S = decay[b, h, t].exp() * S @ erase + rate * torch.outer(v[b, h, t], key)
                out[b, h, t] = S @ q[b, h, t] / len(key) ** 0.5
    return out


@pytest.mark.parametrize(
    ("time", "chunk"), [(1, 4), (3, 4), (40, 64), (40, 7), (64, 64), (150, 64)]
)
def test_the_chunks_are_the_recurrence(time: int, chunk: int):
    given = arguments(time)
    want = recurrence(*given)
    torch.testing.assert_close(gated_delta_rule(*given, chunk=chunk), want, rtol=0, atol=1e-12)


def test_gradients_are_those_of_the_recurrence():
    ours, theirs = arguments(20), arguments(20)
    for x in (*ours, *theirs):
        x.requires_grad_()
    weight = torch.randn(2, HEADS, 20, 8, dtype=torch.float64)
    one = torch.autograd.grad((gated_delta_rule(*ours, chunk=6) * weight).sum(), ours)
    other = torch.autograd.grad((recurrence(*theirs) * weight).sum(), theirs)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("time", [1, 9, 2 * CHUNK + 3])
def test_the_mixer_is_its_law_step_by_step(time: int):
    """The convolution, the lengths, both gates and the norm, in plain loops."""
    block = mixer().double()
    u = torch.randn(2, time, WIDTH, dtype=torch.float64)
    want = torch.stack([alone(block, sequence) for sequence in u])
    torch.testing.assert_close(block(u), want, rtol=0, atol=1e-10)


def alone(block: GatedDelta, u: Tensor) -> Tensor:
    """One sequence (time, width), one position at a time."""
    inner, both, size = EXPAND * WIDTH, KEYS * HEADS, EXPAND * WIDTH // HEADS
    S = torch.zeros(HEADS, size, KEYS, dtype=u.dtype)
    seen = torch.zeros(CONV, 2 * both + inner, dtype=u.dtype)
    outputs = []
    for row in u:
        projected = block.in_proj.weight @ row
        qkv, z, b, a = projected.split([2 * both + inner, inner, HEADS, HEADS])
        seen = torch.cat([seen[1:], qkv[None]])
        mixed = (seen * block.conv1d.weight[:, 0].T).sum(0)
        mixed = mixed / (1 + torch.exp(-mixed))
        keep = torch.exp(-block.A_log.exp() * torch.log1p(torch.exp(a + block.dt_bias)))
        rate = 1 / (1 + torch.exp(-b))
        said = []
        for h in range(HEADS):
            q, k = mixed[h * KEYS :][:KEYS], mixed[both + h * KEYS :][:KEYS]
            q, k = (x / torch.sqrt((x * x).sum() + 1e-6) for x in (q, k))
            v = mixed[2 * both + h * size :][:size]
            old = keep[h] * S[h]
            S[h] = old + rate[h] * torch.outer(v - old @ k, k)
            y = S[h] @ q / KEYS**0.5
            said.append(y / torch.sqrt((y * y).mean() + 1e-6) * block.norm.weight)
        y = torch.cat(said) * z / (1 + torch.exp(-z))
        outputs.append(block.out_proj.weight @ y)
    return torch.stack(outputs)


@pytest.mark.parametrize("time", [7, 40, 2 * CHUNK + 3])
def test_the_mixer_is_hugging_faces(time: int):
    from transformers.models.qwen3_next.configuration_qwen3_next import Qwen3NextConfig
    from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextGatedDeltaNet

    size = EXPAND * WIDTH // HEADS
    config = Qwen3NextConfig(
        hidden_size=WIDTH,
        linear_num_value_heads=HEADS,
        linear_num_key_heads=HEADS,
        linear_key_head_dim=KEYS,
        linear_value_head_dim=size,
        linear_conv_kernel_dim=CONV,
        num_hidden_layers=1,
        rms_norm_eps=1e-6,
    )
    block, theirs = mixer(), Qwen3NextGatedDeltaNet(config, layer_idx=0)
    weights = block.state_dict()
    rows = weights.pop("in_proj.weight").split(
        [KEYS * HEADS] * 2 + [size * HEADS] * 2 + [HEADS] * 2
    )
    by_head = [part.unflatten(0, (HEADS, -1)) for part in rows]  # theirs: one head after the other
    weights["in_proj_qkvz.weight"] = torch.cat(by_head[:4], 1).flatten(0, 1)
    weights["in_proj_ba.weight"] = torch.cat(by_head[4:], 1).flatten(0, 1)
    theirs.load_state_dict(weights)  # strict: the same names and shapes
    u = torch.randn(2, time, WIDTH)
    torch.testing.assert_close(block(u), theirs(u), rtol=0, atol=1e-5)


def test_no_length_overflows_the_decays():
    block = mixer()
    with torch.no_grad():
        block.dt_bias.fill_(20.0)  # decays of exp(-20 A) a step: exp of a difference would overflow
    u = torch.randn(1, 300, WIDTH, requires_grad=True)
    y = block(u)
    y.sum().backward()
    assert y.isfinite().all()
    assert u.grad is not None and u.grad.isfinite().all()


def test_a_repeated_key_replaces_its_value():
    """The delta rule at rate 1 without decay: the last value of a key, exactly, where a sum would mix them."""
    keys = torch.eye(KEYS, dtype=torch.float64)[[0, 1, 0, 1, 0]][None, None]
    values = torch.arange(5.0, dtype=torch.float64)[None, None, :, None]
    zero = torch.zeros(1, 1, 5, dtype=torch.float64)
    read = gated_delta_rule(keys * KEYS**0.5, keys, values, zero, zero + 1)
    assert read.flatten().tolist() == pytest.approx([0, 1, 2, 3, 4])


def test_lower_precision_says_about_the_same():
    """A triangular solver of bfloat16 does not exist."""
    block, u = mixer(), torch.randn(2, 9, WIDTH)
    want = block(u)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(block(u).float(), want, rtol=0, atol=0.1)
    half = block.bfloat16()(u.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), want, rtol=0, atol=0.1)


def test_heads_that_do_not_split_the_values_are_refused():
    with pytest.raises(ValueError, match="make expand \\* width a multiple of heads"):
        GatedDeltaNet(3, 3, width=10, heads=3)
