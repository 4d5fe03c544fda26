"""The study of an experiment's matrices: those of its networks or of a cell's learner, tunnel by tunnel."""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import numpy as np
import torch
from rich.progress import Progress

from plasticity import kept
from plasticity.experiment import Experiment
from plasticity.matrix import Findings, Matrix, Prompts, by_network, by_rule, prompts, study
from plasticity.network import Network
from plasticity.pictures import letter
from plasticity.progress import Bar
from plasticity.recipes import reason
from plasticity.store import Cell
from plasticity.tunnel import Observer, Tunnel


class Size(NamedTuple):
    """How large the matrices are."""

    prompts: int = 2000
    """Rows, about."""
    length: int | None = None
    """Symbols of the longest prompt; None: of an episode."""


class Studied(NamedTuple):
    """One tunnel, and the matrices of its prompts; the first of them is exact, the reference of the others."""

    title: str
    prompts: Prompts
    matrices: Mapping[str, Matrix]
    findings: Mapping[str, Findings]

    @property
    def exact(self) -> Matrix:
        """The reference."""
        return next(iter(self.matrices.values()))


def studies(
    experiment: Experiment,
    cell: Cell | None,
    weights: Path | None,
    size: Size,
    progress: Progress,
) -> list[Studied]:
    """Every tunnel of the experiment; of a cell, the one that was live.

    Args:
        experiment: whose pretrained networks, under its first seed.
        cell: its learner is studied too; the reference is then the continual observer of the live regime.
        weights: a state dict of the first network, which is studied too.
        size: of the matrices.
        progress: where a pretraining is shown.

    Raises:
        ValueError: the file holds no weights of the first network; nothing is asked of prompts that short.
    """
    seed = cell.seed if cell else [*experiment.seeds, experiment.seed][0]
    stream = experiment.stream.build(seed=seed)
    recipes = experiment.labelled_networks()
    networks = {
        label: kept.at_first(experiment, recipe, seed, _bars(progress, label, experiment))[0]
        for label, recipe in recipes.items()
    }
    if weights:
        first, _ = kept.at_first(experiment, next(iter(recipes.values())), seed)
        _load(first, weights)
        networks[weights.stem] = first
    if cell is None:
        return [
            _studied(tunnel, stream.time, {"exact": tunnel.observer()}, networks, size)
            for tunnel in stream.tunnels
        ]
    left = kept.at_last(experiment, cell, experiment.contenders()[cell.label])
    tunnel = stream.tunnels[stream.place(left.regime)]
    known = {f"exact, continual, {letter(left.regime)}": left.known} if left.known else {}
    observers = known | {"exact, amnesic": tunnel.observer()}
    networks[f"{cell.label}, step {left.step}"] = left.network
    return [_studied(tunnel, stream.time, observers, networks, size)]


def _studied(
    tunnel: Tunnel,
    time: int,
    observers: Mapping[str, Observer],
    networks: Mapping[str, Network],
    size: Size,
) -> Studied:
    """The first observer is the reference."""
    asked = prompts(tunnel, time, size.prompts, np.random.default_rng(0), size.length)
    matrices = {title: by_rule(observer, asked) for title, observer in observers.items()}
    exact = next(iter(matrices.values()))
    matrices |= {title: by_network(network, asked) for title, network in networks.items()}
    return Studied(repr(tunnel), asked, matrices, study(asked, exact, matrices))


def _load(network: Network, weights: Path) -> None:
    try:
        network.load_state_dict(torch.load(weights, map_location="cpu"))
    except (OSError, RuntimeError, TypeError, UnpicklingError) as error:
        why = reason(error)[:100]
        raise ValueError(f"{weights}: expected a state dict of the first network: {why}") from None


def _bars(progress: Progress, label: str, experiment: Experiment) -> list[Bar]:
    return [Bar(progress, f"pretrain {label}", experiment.pretrain.steps)]
