"""Token maps: which texts stand best for the symbols, of a language model that was never trained on them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from rich.table import Table as RichTable

from plasticity.core.learner import Spec
from plasticity.core.network import Network
from plasticity.core.tunnel import Tunnel
from plasticity.engine.pretrain_key import fresh_network
from plasticity.engine.scorer import kl
from plasticity.integrations.huggingface import HuggingFace
from plasticity.integrations.single_tokens import is_single
from plasticity.launch.experiment import Experiment

SEED = 1 << 40
"""Of the episodes on which maps are compared: no table has it."""
WORDS = "red blue green black white yellow brown orange purple pink gray gold silver tan teal navy"
ANIMALS = "cat dog bird fish horse cow pig sheep bear wolf lion tiger mouse snake frog duck"
NUMBERS = "one two three four five six seven eight nine ten eleven twelve"
ALPHABETS: Mapping[str, Sequence[str]] = {
    "digits": list("0123456789"),
    "capitals": list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "letters": list("abcdefghijklmnopqrstuvwxyz"),
    "spaced capitals": [f" {each}" for each in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"],
    "spaced letters": [f" {each}" for each in "abcdefghijklmnopqrstuvwxyz"],
    "spaced colours": [f" {each}" for each in WORDS.split()],
    "spaced animals": [f" {each}" for each in ANIMALS.split()],
    "spaced numbers": [f" {each}" for each in NUMBERS.split()],
    "marks": list("+-*/=<>&%$#@!?"),
}
"""Name -> texts; those that are one token each, in this order, are a map."""


class TokenMap(NamedTuple):
    """A map, and how near to the truth the model is under it. Bits per asked position."""

    name: str
    tokens: Sequence[str]
    kl: float
    """KL(informed || model), episodes with fresh latents."""
    error: float
    """Standard error of its mean over episodes."""
    amnesic: float
    """KL(informed || amnesic): what no frozen model is below."""
    outside: float
    """Mean probability of all other tokens."""


def search(experiment: Experiment, episodes: int) -> Iterator[TokenMap]:
    """Try the YAML's own map and every alphabet that has enough texts of one token; as they are tried.

    Args:
        experiment: of one HuggingFace network; its tunnels are mixed equally.
        episodes: on which each map is scored; the same for all.

    Raises:
        ValueError: the network is another.
    """
    recipe = next(iter(experiment.labelled_networks().values()))
    if not issubclass(recipe.cls, HuggingFace):
        raise ValueError(
            f"network: expected HuggingFace, whose tokens are searched, got {recipe.cls.__name__}"
        )
    if recipe.args.get("answers"):
        raise ValueError("network.answers: expected null: maps of one alphabet are searched")
    stream = experiment.stream.build(seed=SEED)
    spec, needed = Spec.of(stream), max(stream.vocab, stream.symbols)
    own = fresh_network(recipe, spec, 0)
    assert isinstance(own, HuggingFace)
    tokenizer = own.source().tokenizer
    trials = {"of the file": own.tokens} | {
        name: single[:needed]
        for name, texts in ALPHABETS.items()
        if len(single := [t for t in texts if is_single(t, tokenizer)]) >= needed
    }
    for name, tokens in trials.items():
        made = replace(recipe, args=recipe.args | {"tokens": list(tokens)}, places=None)
        network = fresh_network(made, spec, 0)
        yield scored(name, tokens[:needed], network, stream.tunnels, spec.time, episodes)


@torch.no_grad()
def scored(
    name: str,
    tokens: Sequence[str],
    network: Network,
    tunnels: Sequence[Tunnel],
    time: int,
    episodes: int,
) -> TokenMap:
    """A map, by episodes of every tunnel."""
    bits, least, outside = list[float](), list[float](), list[float]()
    for number, tunnel in enumerate(tunnels):
        rng = np.random.default_rng((SEED, number))
        latents = tunnel.latents(episodes, rng)
        inputs, targets = tunnel.draw(latents, time, rng)
        asked = torch.from_numpy(tunnel.asked(time))
        truth = torch.from_numpy(tunnel.informed(latents).predict(inputs, targets))
        amnesic = torch.from_numpy(tunnel.observer().predict(inputs, targets))
        said = network(torch.from_numpy(inputs)).double().log_softmax(-1)
        bits += kl(said, truth)[:, asked].mean(1).tolist()
        outside.append(network.summary(torch.from_numpy(inputs[:4]))["outside"])
        least.append(float(kl(amnesic.log(), truth)[:, asked].mean()))
    error = float(np.std(bits, ddof=1) / len(bits) ** 0.5)
    mine, best, other = (float(np.mean(each)) for each in (bits, least, outside))
    return TokenMap(name, tokens, mine, error, best, other)


def shown(found: Sequence[TokenMap]) -> RichTable:
    """The table, best first."""
    table = RichTable(
        "map", "KL(informed, model)", "outside", "tokens",
        title=f"bits per asked position; amnesic {found[0].amnesic:.3f}",
        box=None, header_style="bold", pad_edge=False,
    )  # fmt: skip
    for each in sorted(found, key=lambda row: row.kl):
        texts = "[" + ", ".join(f'"{text}"' for text in each.tokens) + "]"
        table.add_row(each.name, f"{each.kl:.3f} ± {each.error:.3f}", f"{each.outside:.2f}", texts)
    return table
