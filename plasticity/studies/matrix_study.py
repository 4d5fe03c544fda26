"""The study of an experiment's matrices: those of its networks or of a cell's learner, tunnel by tunnel."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from rich.progress import Progress
from safetensors.torch import load_file
from torch import Tensor

from plasticity.core.errors import reason
from plasticity.core.network import Network
from plasticity.core.tunnel import Batch, Observer, Tunnel
from plasticity.engine.progress import Bar
from plasticity.launch import restore
from plasticity.launch.experiment import Experiment
from plasticity.plots.letters import letter
from plasticity.results.shapes import fitting
from plasticity.results.store import Cell
from plasticity.studies.predictive_matrix import (
    Findings,
    Matrix,
    Prompts,
    by_predictor,
    by_rule,
    prompts,
    study,
)

Predictor = Callable[[Batch], Tensor]
"""From a batch to logits (batch, time, symbols)."""


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
        label: restore.pretrained_network(
            experiment, recipe, seed, _bars(progress, label, experiment)
        )[0]
        for label, recipe in recipes.items()
    }
    if weights:
        first, _ = restore.pretrained_network(experiment, next(iter(recipes.values())), seed)
        _load(first, weights)
        networks[weights.stem] = first
    if cell is None:
        return [
            _studied(tunnel, stream.time, {"exact": tunnel.observer()}, _plain(networks), size)
            for tunnel in stream.tunnels
        ]
    with fitting(cell.path / "cell.json", "of a strategy of this experiment"):
        contender = experiment.contenders()[cell.label]
    left = restore.from_checkpoint(experiment, cell, contender)
    tunnel = stream.tunnels[stream.tunnel_index(left.regime)]
    known = {f"exact, continual, {letter(left.regime)}": left.known} if left.known else {}
    observers = known | {"exact, amnesic": tunnel.observer()}
    learner = left.learner.eval()
    predictors = _plain(networks)
    predictors[f"{cell.label}, step {left.step}"] = partial(learner.strategy.predict, learner)
    return [_studied(tunnel, stream.time, observers, predictors, size)]


def _studied(
    tunnel: Tunnel,
    time: int,
    observers: Mapping[str, Observer],
    predictors: Mapping[str, Predictor],
    size: Size,
) -> Studied:
    """The first observer is the reference."""
    asked = prompts(tunnel, time, size.prompts, np.random.default_rng(0), size.length)
    matrices = {title: by_rule(observer, asked) for title, observer in observers.items()}
    exact = next(iter(matrices.values()))
    matrices |= {title: by_predictor(predict, asked) for title, predict in predictors.items()}
    return Studied(repr(tunnel), asked, matrices, study(asked, exact, matrices))


def _plain(networks: Mapping[str, Network]) -> dict[str, Predictor]:
    """What each network says, in evaluation mode."""
    found = dict[str, Predictor]()
    for label, network in networks.items():

        def predict(batch: Batch, network: Network = network) -> Tensor:
            return network(batch.inputs)

        network.eval()
        found[label] = predict
    return found


def _load(network: Network, weights: Path) -> None:
    """Put in a state dict, of torch or in safetensors format; no code of it runs."""
    try:
        if weights.suffix == ".safetensors":
            found = load_file(weights)
        else:
            found = torch.load(weights, map_location="cpu", weights_only=True)
        network.load_state_dict(found)
    except Exception as error:  # whatever a file says that is no state dict
        why = reason(error)[:100]
        raise ValueError(f"{weights}: expected a state dict of the first network: {why}") from None


def _bars(progress: Progress, label: str, experiment: Experiment) -> list[Bar]:
    return [Bar(progress, f"pretrain {label}", experiment.pretrain.steps)]
