"""Settling: routing, values and precision along pretraining, and which of them settles first."""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

from plasticity.core.network import Network
from plasticity.diagnostics.geometry import routing
from plasticity.diagnostics.geometry.capture import Inside, look
from plasticity.diagnostics.geometry.effects import bits
from plasticity.diagnostics.geometry.episodes import KnownEpisodes
from plasticity.diagnostics.geometry.online import moved_between
from plasticity.diagnostics.geometry.view import Number


class TrainingPoint(NamedTuple):
    """A network at one checkpoint."""

    steps: int
    kl: float
    """KL(amnesic || network), in bits per asked position."""
    tv: float
    """Of its attention from that at the end, mean over heads; NaN where nothing attends."""
    moved: float
    """Of the subspace of its values from that at the end."""


def along(
    network: Network, states: Iterable[tuple[int, Mapping[str, Any]]], known: KnownEpisodes
) -> list[TrainingPoint]:
    """The points of a pretraining.

    Args:
        network: as it is at the end, in evaluation mode; it is left as it was.
        states: (steps, state dict), rising.
        known: held out.
    """
    end, copy = look(network, known.inputs), deepcopy(network)
    points = list[TrainingPoint]()
    for steps, state in states:
        copy.load_state_dict(dict(state))
        points.append(_point(steps, look(copy, known.inputs), end, known))
    return points


def numbers(points: list[TrainingPoint]) -> Iterator[Number]:
    """When routing and precision settled."""
    steps, kl, tv, _ = zip(*points, strict=True)
    if len(points) > 1 and np.isfinite(tv).all():
        found = routing.settled(steps, tv, kl)
        ids = "routing/settled", "precision/settled", "precision/routing"
        for name, value in zip(ids, found, strict=True):
            yield Number(name, "all layers", "", value)


def _point(steps: int, now: Inside, end: Inside, known: KnownEpisodes) -> TrainingPoint:
    kl = float(bits(known.posterior, known.said(now.logits)).mean())
    return TrainingPoint(steps, kl, *moved_between(now, end, known))
