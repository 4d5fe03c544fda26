"""View: a network, known episodes, and what went on inside it while it read them; and a number with its controls."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from plasticity.core.network import Network
from plasticity.diagnostics.geometry.anatomy import Parts
from plasticity.diagnostics.geometry.belief import cell_means
from plasticity.diagnostics.geometry.capture import Attended, Inside, look, parts
from plasticity.diagnostics.geometry.effects import bits
from plasticity.diagnostics.geometry.episodes import KnownEpisodes

T = TypeVar("T")


class Number(NamedTuple):
    """A number, and what it would be for other reasons; NaN: there is no such thing."""

    id: str
    """Of the glossary."""
    site: str
    """Where: a layer, or the residual stream after one."""
    what: str
    """Of a head, `head 0`; of a cut, the direction."""
    value: float
    chance: float = math.nan
    """What noise of this size would give."""
    control: float = math.nan
    """The same of something matched that has nothing to do with the question."""
    baseline: float = math.nan
    """The same of something trivial."""
    initial: float = math.nan
    """Of the same network with its initial weights."""


@dataclass(frozen=True)
class View:
    """All that is looked at."""

    network: Network
    """In evaluation mode."""
    parts: Parts
    known: KnownEpisodes
    inside: Inside
    rng: np.random.Generator
    """Of the controls."""
    most: int = 0
    """Layers and streams that are changed, at most; 0: all."""

    @cached_property
    def whole(self) -> Float[np.ndarray, "n asked symbols"]:
        """What the network says at the asked positions, untouched."""
        return self.known.said(self.inside.logits)

    @cached_property
    def blind(self) -> float:
        """KL(amnesic || memoryless) - KL(amnesic || network): what it would cost to lose all of the past, in bits."""
        exact = self.known.posterior
        memoryless = cell_means(exact, self.known.cell)
        return float((bits(exact, memoryless) - bits(exact, self.whole)).mean())

    def heads(self) -> list[tuple[str, str, int, Attended]]:
        """(layer, name of the head, its number, what went on in its layer) of every head."""
        return [
            (layer, f"head {head}", head, each)
            for layer, each in self.inside.attention.items()
            for head in range(each.weights.shape[1])
        ]

    def some(self, places: Mapping[str, T]) -> dict[str, T]:
        """Those of some layers or streams that are changed: `most`, evenly spread, the first and the last too."""
        names = [*places]
        if self.most and len(names) > self.most:
            names = [
                names[i] for i in np.linspace(0, len(names) - 1, self.most).round().astype(int)
            ]
        return {name: places[name] for name in names}


def view(network: Network, known: KnownEpisodes, seed: int = 0, most: int = 0) -> View:
    """One forward pass.

    Args:
        network: in evaluation mode.
        known: the episodes.
        seed: of the controls.
        most: layers and streams that are changed, at most; 0: all.
    """
    where, inside = parts(network), look(network, known.inputs)
    return View(network, where, known, inside, np.random.default_rng(seed), most)
