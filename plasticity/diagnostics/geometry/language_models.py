"""Anatomy of Hugging Face's language models: residual streams, heads, and the memory of recurrent mixers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn

from plasticity.diagnostics.geometry.anatomy import Parts
from plasticity.integrations.huggingface import HuggingFace

LAYOUTS: tuple[Mapping[str, str], ...] = (
    {"self_attn": "input_layernorm", "mlp": "post_attention_layernorm"},  # Llama, Mistral, Qwen
    {"attention": "input_layernorm", "mlp": "post_attention_layernorm"},  # GPT-NeoX (Pythia)
    {"self_attn": "input_layernorm", "mlp": "input_layernorm"},  # Phi
    {"attn": "ln_1", "mlp": "ln_2"},  # GPT-2
    {"mixer": "norm"},  # Mamba
)
"""Layer -> the norm in front of it, in a block that adds what its layers put out to the stream, and holds no more."""
DROPPED = ("emb_dropout", "drop")
"""Names of what the embedding, with positions in it, comes out of as a stream."""
_PLAIN: WeakKeyDictionary[HuggingFace, bool] = WeakKeyDictionary()
"""Whether streams add up, which takes a pass to see: a matter of how a model is built, not of its weights."""
OUTPUTS = ("o_proj", "dense", "c_proj")
"""Names of the map behind the heads."""


class Heads:
    """Attention of a language model, by the queries, keys and values that it hands to its own attention function.

    So they are those after all that the model does to them (fused projections taken apart, norms, rotations): keys are
    rotated, except at position 0, where rotations turn nothing. Values are never rotated.

    Args:
        module: the attention layer.
        lm: the model, of which it is one.
    """

    def __init__(self, module: nn.Module, lm: Any):
        self.module, self.lm = module, lm
        self.heads = int(lm.config.get_text_config().num_attention_heads)
        named = dict(module.named_children())
        self.out_proj = next(named[name] for name in OUTPUTS if name in named)

    def project(
        self, x: Float[Tensor, "batch time width"]
    ) -> tuple[
        Float[Tensor, "batch heads time channels"],
        Float[Tensor, "batch groups time channels"],
        Float[Tensor, "batch groups time channels"],
    ]:
        """Queries, keys and values; queries are scaled so that scores q . k / sqrt(channels) are the model's."""
        named: dict[str, Any] = {"attention_mask": None}
        rotary = getattr(self.lm.base_model, "rotary_emb", None)
        if rotary is not None:
            places = torch.arange(x.shape[1], device=x.device)[None]
            named["position_embeddings"] = rotary(x, position_ids=places)
        with _handed_over(self.lm.config) as handed:
            self.module.forward(x, **named)
        ((q, k, v, scaling),) = handed
        return q * (scaling * q.shape[-1] ** 0.5), k, v


class Memory:
    """The memory of a recurrent mixer: what it would go on with (its cache) after each position.

    Args:
        module: the mixer.
        lm: the model, of which it is one.
    """

    def __init__(self, module: Any, lm: Any):
        self.module, self.lm = module, lm

    def states(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time numbers"]:
        """The recurrent state at each position, step by step."""
        import transformers

        cache = transformers.DynamicCache(config=self.lm.config)
        found = list[Tensor]()
        for t in range(x.shape[1]):
            self.module.forward(x[:, t : t + 1], cache_params=cache)
            held = cache.get_recurrent_state(self.module.layer_idx)
            assert held is not None
            found.append(held.flatten(1).clone())
        return torch.stack(found, 1)


def parts(network: HuggingFace) -> Parts:
    """Where to look: the stream after every block; its layers, where it is laid out as one of LAYOUTS."""
    lm, blocks = network.lm, network.blocks()
    base = dict(lm.base_model.named_children())
    begin = next((base[name] for name in DROPPED if name in base), lm.get_input_embeddings())
    streams, layers, norms = {"0 embedding": begin}, dict[str, nn.Module](), dict[str, nn.Module]()
    attention, memories, entering = dict[str, Heads](), dict[str, Memory](), dict[str, str]()
    unknown = ""
    for nth, block in enumerate(blocks, 1):
        before, named = [*streams][-1], dict(block.named_children())
        streams[f"{nth} {type(block).__name__}"] = block
        layout = _layout(block)
        if not layout:
            unknown = f"nobody knows how a {type(block).__name__} is laid out"
        for place, norm in layout.items():
            name = f"{nth} {type(named[place]).__name__}"
            layers[name], norms[name] = named[place], named[norm]
            if norm == next(iter(layout.values())):
                entering[name] = before
            if "attn" in place or place == "attention":
                attention[name] = Heads(named[place], lm)
            if place == "mixer":
                memories[name] = Memory(named[place], lm)
    if layers and not unknown and network not in _PLAIN:
        _PLAIN[network] = _add_up(network, streams, layers)
    if layers and not unknown and not _PLAIN[network]:
        kind = type(blocks[0]).__name__
        unknown = f"a {kind} adds to the stream something else than what its layers put out"
    if unknown:
        layers, attention, memories, norms, entering = {}, {}, {}, {}, {}
    front = len(network.front)
    return Parts(streams, layers, attention, memories, norms, entering, front, unknown)


def _layout(block: nn.Module) -> Mapping[str, str]:
    """The one that a block has; none, if it holds anything else."""
    held = {name for name, each in block.named_children() if not isinstance(each, nn.Dropout)}
    found = (each for each in LAYOUTS if held == {*each.keys(), *each.values()})
    return next(found, {})


@torch.no_grad()
def _add_up(
    network: HuggingFace, streams: Mapping[str, nn.Module], layers: Mapping[str, nn.Module]
) -> bool:
    """Whether each stream is the one before it and what the layers between put out: some models scale them."""
    out, training = dict[nn.Module, Tensor](), network.training

    def leaves(module: nn.Module, _: Any, value: Any) -> None:
        out[module] = value[0] if isinstance(value, tuple) else value

    def enters(module: nn.Module, args: Any, named: Any) -> None:
        out.setdefault(network, args[0] if args else named["hidden_states"])

    handles = [m.register_forward_hook(leaves) for m in (*streams.values(), *layers.values())]
    handles.append(network.blocks()[0].register_forward_pre_hook(enters, with_kwargs=True))
    try:
        network.eval().eager(torch.arange(len(network.rows), device=network.rows.device)[None])
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    seen = [out[module] for module in streams.values()]
    pairs = [(out[network], seen[0])]
    for nth, (before, after) in enumerate(pairwise(seen), 1):
        own = (out[layer] for name, layer in layers.items() if name.split()[0] == str(nth))
        pairs.append((sum(own, start=before), after))
    tolerance = 100 * torch.finfo(seen[0].dtype).eps
    return all((a - b).norm() <= tolerance * b.norm() for a, b in pairs)


@contextmanager
def _handed_over(config: Any) -> Iterator[list[tuple[Tensor, Tensor, Tensor, float]]]:
    """While it lasts, attention computes nothing: what it is handed is noted, (q, k, v, scaling)."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    handed = list[tuple[Tensor, Tensor, Tensor, float]]()

    def note(
        module: nn.Module, q: Tensor, k: Tensor, v: Tensor, *args: Any, scaling: float, **named: Any
    ) -> tuple[Tensor, None]:
        handed.append((q, k, v, scaling))
        return v.new_zeros(len(q), q.shape[2], q.shape[1], v.shape[-1]), None

    name = config._attn_implementation
    # In front of the one of this name, which is there again once this is gone.
    ALL_ATTENTION_FUNCTIONS[name] = note
    try:
        yield handed
    finally:
        del ALL_ATTENTION_FUNCTIONS[name]
