"""Tiny causal language models with random weights, and a tokenizer, in folders like the hub's."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

LETTERS = [*(chr(ord("a") + i) for i in range(16)), *"0123456789"]
"""Tokens of one letter or digit each."""
TOKENS = ["c", "a", "h", "f", "b", "k", "e", "d"]
"""Of the symbols, not in the order of the vocabulary."""
LLAMA = {"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 24}
KINDS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama", "tie_word_embeddings": True, **LLAMA},
    "untied": {"model_type": "llama", "tie_word_embeddings": False, "pad_token_id": 2, **LLAMA},
    "neox": {
        "model_type": "gpt_neox",
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "hidden_dropout": 0.5,
        "attention_dropout": 0.5,
    },
    "mamba": {"model_type": "mamba", "state_size": 4, "time_step_rank": 4},
}
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
}


def tokenizer() -> Any:
    """Letters, digits, and the pairs 'ab' and ' a'; a space of its own."""
    letters = ["<s>", "<pad>", *LETTERS, "Ġ", "ab", "Ġa"]
    bpe = models.BPE(
        vocab={word: i for i, word in enumerate(letters)}, merges=[("a", "b"), ("Ġ", "a")]
    )
    made = Tokenizer(bpe)
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", pad_token="<pad>"
    )


@cache
def words() -> Any:
    return tokenizer()


def write(folder: Path, kind: str, **config: Any) -> str:
    """A model in a folder; the folder's name."""
    known = {**SIZES, **KINDS[kind], "vocab_size": len(words()), **config}
    torch.manual_seed(0)
    made = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**known))
    made.save_pretrained(folder)
    words().save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == len(words())
    return str(folder)
