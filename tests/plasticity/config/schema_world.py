"""A small world of contracts and classes, a YAML file about it, and how to load one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from torch import nn

from plasticity.config.recipe import Recipe, recipe
from plasticity.config.schema import parse
from plasticity.config.yaml_source import read
from plasticity.core.bounded import Count, Fraction, Natural, NonNegative, Positive
from plasticity.core.errors import ConfigError


class Tunnel(ABC):
    @abstractmethod
    def draw(self): ...


class Network(nn.Module):
    given: ClassVar = ("vocab",)

    @abstractmethod
    def forward(self): ...


class Strategy(nn.Module):
    def __init__(self, lr: Positive | None = None):
        super().__init__()


class Markov(Tunnel):
    """Symbols that follow symbols.

    Args:
        symbols: size of the
            alphabet.
        concentration: of the prior.
    """

    def __init__(self, symbols: Count = 6, concentration: Positive = 0.3): ...
    def draw(self): ...


class Mixed(Tunnel):
    def __init__(self, parts: "Sequence[Tunnel]", weights: "Mapping[str, Positive]"): ...
    def draw(self): ...


class Stream:
    given: ClassVar = ("seed",)


class Recurring(Stream):
    def __init__(
        self,
        tunnels: Sequence[Tunnel],
        steps: Count,
        hold: Literal["episode", "regime"] = "regime",
        seed: int = 0,
    ):
        if not tunnels:
            raise ValueError("tunnels: expected at least one")


class Transformer(Network):
    def __init__(self, vocab: int, width: Count = 64, heads: Count = 4):
        if width % heads:
            raise ValueError(f"width {width} is not divisible by heads {heads}")

    def forward(self): ...


class Stack(Network):
    def __init__(self, vocab: int, mixers: Sequence[nn.Module]): ...
    def forward(self): ...


class EWC(Strategy):
    def __init__(self, strength: NonNegative = 100.0, decay: Fraction = 1.0): ...


class Finetune(Strategy): ...


class Chain(Strategy):
    def __init__(self, parts: Sequence[Strategy], first: Strategy | None = None): ...


class Nowhere(Strategy):
    def __init__(self, thing: int): ...

    __init__.__annotations__["thing"] = "Nothing"  # as if imported under TYPE_CHECKING only


class Tagged(Strategy):
    def __init__(self, type: str = "x"): ...


class Optimizer: ...


class AdamW(Optimizer):
    def __init__(self, lr: Positive = 1e-3, betas: tuple[float, float] = (0.9, 0.999)): ...


class Pretrain:
    """The first phase.

    Args:
        steps: how many.
    """

    def __init__(self, steps: Natural = 2000, cache: Path | None = None):
        if steps == 13:
            raise ValueError("steps: 13 brings bad luck")
        self.steps, self.cache = steps, cache


@dataclass
class Wandb:
    mode: Literal["online", "offline", "disabled"] = "offline"
    entity: str | None = None

    def __post_init__(self) -> None:
        if self.mode == "online" and self.entity is None:
            raise ValueError("an entity is needed online")


@dataclass
class Experiment:
    """One YAML file."""

    stream: Recipe[Stream]
    network: Recipe[Network]
    strategies: Sequence[Recipe[Strategy]] = ()
    name: str = "experiment"
    optimizer: Recipe[Optimizer] | None = field(default_factory=lambda: recipe(AdamW))
    pretrain: Pretrain = field(default_factory=Pretrain)
    announce: bool = True
    seeds: Sequence[Natural] = ()
    level: Literal[1, 2] = 1
    labels: Mapping[str, int | str | list[int]] = field(default_factory=dict)
    wandb: Wandb = field(default_factory=Wandb)


CONTRACTS = (Tunnel, Stream, Network, Strategy, Optimizer)
FILE = """\
name: quick
stream:
  type: Recurring
  steps: 600
  tunnels:
    - {type: Markov, symbols: 6}
    - type: Mixed
      parts: [{type: Markov}]
      weights: {a: 1, b: 2e-1}
network:    {type: Transformer, width: 60, heads: 5}
strategies:
  - {type: EWC, strength: 50}
  - {type: Chain, first: , parts: [{type: EWC}, {type: Finetune, lr: 1e-3}]}
pretrain: {steps: 100, cache: runs/cache}
optimizer: {type: AdamW, betas: [0.5, 1]}
seeds: [0, 1, 2]
labels: {a: 1, b: x, c: [1, 2]}
wandb: {mode: disabled}
"""
KNOWN = "Known: Chain, EWC, Finetune"
TAKES = ", ".join(Experiment.__dataclass_fields__)


def load(text: str, *overrides: str) -> Experiment:
    Path("f.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    return parse(Experiment, read("f.yaml", overrides), CONTRACTS)


def faults(text: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides)
    return str(caught.value).splitlines()
