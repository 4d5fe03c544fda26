"""The inside of Hugging Face's models, against their own projections put together by hand and their own cache."""

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn

from plasticity.diagnostics.geometry.capture import look, parts
from plasticity.diagnostics.geometry.episodes import KnownEpisodes, known_episodes
from plasticity.diagnostics.geometry.interventions import head_replaced, layer_replaced, swapped
from plasticity.diagnostics.geometry.measure import FAMILIES, addresses, caveats, measure
from plasticity.diagnostics.geometry.view import view
from plasticity.integrations.huggingface import HuggingFace
from streams import SULA, Markov

from ...integrations.tiny_models import TOKENS, write

EACH: dict[str, dict[str, Any]] = {
    "llama": {"num_attention_heads": 4, "num_key_value_heads": 2},
    "neox": {"use_parallel_residual": True},
    "sequential": {"use_parallel_residual": False},
    "mamba": {},
    "phi": {"model_type": "phi", "num_key_value_heads": 2, "resid_pdrop": 0.5},
    "gpt2": {"model_type": "gpt2"},
}
KINDS = {"sequential": "neox", "phi": "llama", "gpt2": "neox"}
ATTENTIVE = ["llama", "neox", "sequential", "phi", "gpt2"]
TUNNEL = Markov(symbols=3, concentration=0.5)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    found = {}
    for name, more in EACH.items():
        found[name] = write(tmp_path_factory.mktemp(name), KINDS.get(name, name), **more)
    return found


def made(folder: str, prefix: str = "") -> Any:
    """Any, for tests go into its parts."""
    return HuggingFace(3, 3, folder, TOKENS, prefix=prefix).eval()


def known(n: int = 32, time: int = 7) -> KnownEpisodes:
    return known_episodes(TUNNEL, time, n, np.random.default_rng(0))


def turned(x: Tensor, channels: int) -> Tensor:
    """Rotary positions by their definition: channel j with j + half, by t * 10000^(-2j / channels)."""
    half, out = channels // 2, x.clone()
    for t in range(x.shape[2]):
        for j in range(half):
            angle = t * 10000.0 ** (-2 * j / channels)
            a, b = x[:, :, t, j], x[:, :, t, j + half]
            out[:, :, t, j] = a * math.cos(angle) - b * math.sin(angle)
            out[:, :, t, j + half] = b * math.cos(angle) + a * math.sin(angle)
    return out


def by_hand(kind: str, block: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor, int]:
    """Queries, keys (before rotation) and values from the block's own weights, and how many channels rotate."""
    if kind == "gpt2":  # three maps in one, positions in the embedding
        fused = block.attn.c_attn(block.ln_1(x)).unflatten(-1, (3, 2, 8))
        q, k, v = fused.permute(2, 0, 3, 1, 4)
        return q, k, v, 0
    x = block.input_layernorm(x)
    if kind in ("llama", "phi"):
        own, channels = block.self_attn, 4 if kind == "llama" else 8
        maps = own.q_proj, own.k_proj, own.v_proj
        q, k, v = (m(x).unflatten(-1, (-1, channels)).transpose(1, 2) for m in maps)
        return q, k, v, 4
    fused = block.attention.query_key_value(x).unflatten(-1, (2, 3, 8))  # head, (q, k, v), channels
    q, k, v = fused.permute(3, 0, 2, 1, 4)
    return q, k, v, block.attention.rotary_ndims


@pytest.mark.parametrize("prefix", ["", "kab"])
@pytest.mark.parametrize("kind", ATTENTIVE)
@torch.no_grad()
def test_attention_and_values_are_those_of_the_models_own_projections(
    kind: str, prefix: str, folders: dict[str, str]
) -> None:
    network, inputs = made(folders[kind], prefix), known(3).inputs
    seen, front = look(network, inputs), len(network.front)
    ids = torch.cat([network.front.expand(3, -1), network.rows[inputs]], 1)
    lm = network.lm
    streams = lm(ids, output_hidden_states=True).hidden_states
    lm.set_attn_implementation("eager")
    truth = lm(ids, output_attentions=True).attentions
    assert len(seen.attention) == 3
    for nth, (block, each) in enumerate(
        zip(network.blocks(), seen.attention.values(), strict=True)
    ):
        q, k, v, rotary = by_hand(kind, block, streams[nth])
        for x in (q, k):
            x[..., :rotary] = turned(x[..., :rotary], rotary)
        k = k.repeat_interleave(q.shape[1] // k.shape[1], 1)
        scores = q @ k.mT / q.shape[-1] ** 0.5
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        weights = scores.masked_fill(future, -torch.inf).softmax(-1)
        torch.testing.assert_close(weights, truth[nth], atol=1e-5, rtol=1e-4)  # so does the model
        symbols = weights[..., front:, front:]
        symbols = symbols / symbols.sum(-1, keepdim=True)
        torch.testing.assert_close(each.weights, symbols, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(each.values, v[:, :, front:], atol=1e-5, rtol=1e-4)
    assert len(streams) == len(seen.streams)
    for (name, mine), theirs in zip(seen.streams.items(), streams[:-1], strict=False):
        torch.testing.assert_close(mine, theirs[:, front:], msg=name)


@pytest.mark.parametrize("kind", ATTENTIVE)
def test_keys_are_those_before_rotation_a_row_for_heads_that_share_them(
    kind: str, folders: dict[str, str]
) -> None:
    network = made(folders[kind])
    of = view(network, known())
    rows = {(row.site, row.what): row.value for row in addresses(of)}
    with torch.no_grad():
        streams = network.lm(network.rows[known().inputs], output_hidden_states=True).hidden_states
        embedded = torch.stack([streams[0][known().inputs == s].mean(0) for s in range(3)])
        _, k, _, _ = by_hand(kind, network.blocks()[0], embedded[:, None])
    k = k[:, :, 0] / k[:, :, 0].norm(dim=-1, keepdim=True)
    pairs = torch.tensor([[0, 1], [0, 2], [1, 2]])
    wanted = (k[pairs[:, 0]] * k[pairs[:, 1]]).sum(-1).abs().mean(0)
    first = [value for (site, _), value in rows.items() if site.startswith("1 ")]
    assert first == pytest.approx(wanted.tolist(), abs=1e-5) and len(first) == 2
    whats = {what for _, what in rows}
    assert whats == ({"heads 0 to 1", "heads 2 to 3"} if kind == "llama" else {"head 0", "head 1"})


@pytest.mark.parametrize("kind", EACH)
@torch.no_grad()
def test_layers_are_what_is_added_to_the_stream(kind: str, folders: dict[str, str]) -> None:
    network, inputs = made(folders[kind], "k"), known(4).inputs
    where, seen, added = parts(network), look(network, inputs), dict[str, Tensor]()
    handles = list[Any]()
    for name, module in where.layers.items():

        def leaves(_: nn.Module, args: Any, out: Any, name: str = name) -> None:
            added[name] = out[0] if isinstance(out, tuple) else out

        handles.append(module.register_forward_hook(leaves))
    network(inputs)
    for handle in handles:
        handle.remove()
    streams = [*seen.streams.values()]
    for nth, (before, after) in enumerate(zip(streams, streams[1:], strict=False), 1):
        mine = [out[:, 1:] for name, out in added.items() if name.startswith(f"{nth} ")]
        torch.testing.assert_close(after, before + sum(mine), atol=1e-5, rtol=1e-4)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


@torch.no_grad()
def test_memory_of_mamba_is_its_recurrence_step_by_step(folders: dict[str, str]) -> None:
    """h_t = exp(dt A) h_{t-1} + dt B_t x_t (Gu & Dao 2023, arXiv 2312.00752, eq. 2), from the mixer's weights."""
    network, inputs = made(folders["mamba"]), known(3).inputs
    seen = look(network, inputs)
    block, embedded = network.blocks()[0], network.lm.get_input_embeddings()(network.rows[inputs])
    mixer: Any = block.mixer
    x, _ = mixer.in_proj(block.norm(embedded)).chunk(2, -1)
    x = nn.functional.silu(mixer.conv1d(x.mT)[..., : x.shape[1]].mT)
    dt, b, _ = mixer.x_proj(x).split([4, 4, 4], -1)
    dt = nn.functional.softplus(mixer.dt_proj(dt))
    h = torch.zeros(3, x.shape[-1], 4)
    for t in range(x.shape[1]):
        kept = (dt[:, t, :, None] * -mixer.A_log.exp()).exp()
        h = kept * h + (dt[:, t] * x[:, t])[..., None] * b[:, t, None]
        torch.testing.assert_close(
            seen.states["1 MambaMixer state"][:, t], h.flatten(1), atol=1e-5, rtol=1e-4
        )
    assert len(seen.states) == 3 and not seen.attention


@pytest.mark.parametrize("kind", ATTENTIVE)
@torch.no_grad()
def test_a_swap_behind_a_prefix_is_at_the_symbol_and_all_heads_are_the_layer(
    kind: str, folders: dict[str, str]
) -> None:
    network, inputs = made(folders[kind], "kab"), known(8).inputs
    where, whole, donors = parts(network), network(inputs), torch.arange(8).roll(1)
    last = [*where.streams.values()][-1]
    torch.testing.assert_close(swapped(network, inputs, last, 4, donors), whole[donors, 4])
    (name, attends), *_ = where.attention.items()
    layer, out = where.layers[name], cast(Any, attends.out_proj)
    weight = out.weight if isinstance(out, nn.Linear) else out.weight.T  # GPT-2's lies down
    width, heads = weight.shape[1], attends.heads
    kept = weight.clone()
    weight[:, width // heads :] = 0  # all heads but the first say nothing: it is the layer
    alone = head_replaced(network, inputs, layer, attends, 0)
    torch.testing.assert_close(alone, layer_replaced(network, inputs, layer), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(
        head_replaced(network, inputs, layer, attends, 1), network(inputs), atol=1e-4, rtol=1e-3
    )
    assert (alone - network(inputs)).abs().max() > 1e-3
    weight.copy_(kept)
    torch.testing.assert_close(network(inputs), whole)


@pytest.mark.parametrize("kind", EACH)
def test_every_family_says_numbers_and_why_there_are_none(
    kind: str, folders: dict[str, str]
) -> None:
    network, facts = made(folders[kind], "k"), known(48)
    rows = [r for family in measure(network, network.untrained(3), facts, most=3) for r in family]
    assert len({row[:3] for row in rows}) == len(rows)
    assert all(np.isfinite(row.value) and np.isfinite(row.initial) for row in rows)
    assert any(row.initial != pytest.approx(row.value) for row in rows), "other weights"
    ids = {row.id for row in rows}
    assert {"values/pc1", "belief/r2", "layer/delta", "cut", "swap"} <= ids
    attention = {"keys/cosine", "focus", "head/delta", "alignment", "alignment/next"}
    assert ids & attention == (set() if kind == "mamba" else attention)
    assert len({row.site for row in rows if row.id == "cut"}) == 3
    told = caveats(parts(network), facts, 16, rows)
    assert told.keys() == (attention if kind == "mamba" else set())


def test_sula_says_what_is_not_defined(folders: dict[str, str]) -> None:
    """One position per episode, no evidence said, and one symbol there: no alignment, and read-outs from too little."""
    network = HuggingFace(6, 2, folders["llama"], TOKENS).eval()
    facts = known_episodes(SULA(words=3), 5, 24, np.random.default_rng(0))
    rows = [row for family in measure(network, network, facts) for row in family]
    told = caveats(parts(network), facts, 16, rows)
    assert told.keys() == {"alignment", "alignment/next", "belief/r2", "belief/r2_entropy"}
    assert "does not say where its evidence lies" in told["alignment"]
    assert told["belief/r2"].startswith("learned from 12 positions of 16 channels")
    assert len(FAMILIES) == 8


SCALED = ["residual_multiplier", "embedding_multiplier"]


@pytest.mark.parametrize("key", SCALED)
def test_a_stream_to_which_layers_are_added_by_another_measure_is_named(
    key: str, tmp_path: Path
) -> None:
    """Granite's blocks are named as Llama's are, and scale what they add; so its factors are 1 in the other model."""
    one = dict.fromkeys([*SCALED, "attention_multiplier", "logits_scaling"], 1.0)
    plain = made(write(tmp_path / "plain", "llama", model_type="granite", **one))
    other = made(write(tmp_path / "other", "llama", model_type="granite", **(one | {key: 0.5})))
    assert len(parts(plain).layers) == 6 and not parts(plain).unknown
    where = parts(other)
    assert not where.layers and not where.attention and len(where.streams) == 4
    assert where.unknown == (
        "a GraniteDecoderLayer adds to the stream something else than what its layers put out"
    )


def test_of_an_unknown_layout_the_streams_are_seen_and_the_rest_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, "llama", model_type="olmo2")
    network = made(folder)
    where = parts(network)
    assert len(where.streams) == 4 and not where.layers
    rows = [r for family in measure(network, network, known(48), most=2) for r in family]
    told = caveats(where, known(48), 16, rows)
    assert told["head/delta"] == "not defined: nobody knows how a Olmo2DecoderLayer is laid out"
    assert {"cut", "swap", "belief/r2"} <= {row.id for row in rows}


def test_attention_functions_are_as_they_were(folders: dict[str, str]) -> None:
    mapping = transformers.modeling_utils.ALL_ATTENTION_FUNCTIONS
    before = dict(mapping)
    look(made(folders["llama"]), known(2).inputs)
    assert dict(mapping) == before and not mapping._local_mapping
