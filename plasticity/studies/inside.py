"""The study of the inside: every network of an experiment, once pretrained, and what its strategies moved there."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from rich.progress import Progress

from plasticity.core.learner import Spec
from plasticity.core.tunnel import Tunnel
from plasticity.diagnostics.geometry.capture import look, parts
from plasticity.diagnostics.geometry.episodes import known_episodes
from plasticity.diagnostics.geometry.measure import FAMILIES, caveats, measure
from plasticity.diagnostics.geometry.online import INSIDE
from plasticity.diagnostics.geometry.settling import TrainingPoint, along, numbers
from plasticity.diagnostics.geometry.view import Number
from plasticity.engine.pretrain import checkpoints
from plasticity.engine.pretrain_key import fresh_network
from plasticity.engine.progress import Bar
from plasticity.integrations.huggingface import HuggingFace
from plasticity.launch.experiment import Experiment
from plasticity.launch.restore import pretrained_network
from plasticity.plots.lines import Span
from plasticity.plots.over_time import spans
from plasticity.results.store import Run

COLUMNS = ("id", "site", "what", "value", "initial", "chance", "control", "baseline")
"""Of the table of numbers."""


class NetworkInside(NamedTuple):
    """One network on one tunnel."""

    title: str
    numbers: pl.DataFrame
    """A row per number, `COLUMNS`."""
    points: Sequence[TrainingPoint]
    """Along pretraining; one, where no checkpoints were kept."""
    caveats: dict[str, str]
    """Id -> why it is not defined here, or what else must be known of it."""
    maps: dict[str, np.ndarray]
    """Layer -> attention of every head in the first episode, (heads, time, time)."""


class StreamInside(NamedTuple):
    """What strategies moved over a stream."""

    tables: dict[str, list[pl.DataFrame]]
    """Label -> the condition table of every seed, `step` and the columns of `INSIDE`, without rows that have none."""
    spans: Sequence[Span]
    """Regimes, where all seeds agree on them."""


def networks(
    experiment: Experiment, seed: int, episodes: int, progress: Progress, most: int = 0
) -> Iterator[NetworkInside]:
    """Every network on every tunnel.

    Args:
        experiment: whose pretrained networks; pretrained now if they never were.
        seed: of the run they are of.
        episodes: held out, with fresh latents.
        progress: where it is shown.
        most: layers and streams that are changed, at most, evenly spread; 0: all.

    Raises:
        ValueError: nobody knows where to look inside a network.
    """
    stream = experiment.stream.build(seed=seed)
    for label, recipe in experiment.labelled_networks().items():
        bars = [Bar(progress, f"pretrain {label}", experiment.pretrain.steps)]
        network, _ = pretrained_network(experiment, recipe, seed, bars)
        key = experiment.pretraining(recipe, seed)
        initial = fresh_network(recipe, Spec.of(stream), key.seed)
        if isinstance(initial, HuggingFace):
            initial = initial.untrained(key.seed)
        network.eval()
        initial.eval()
        for tunnel in stream.tunnels:
            known = known_episodes(tunnel, stream.time, episodes, np.random.default_rng(seed))
            task = progress.add_task(f"inside {label}", total=len(FAMILIES), note="")
            found = list[Number]()
            for family in measure(network, initial, known, most=most):
                found += family
                progress.update(task, advance=1, note=family[-1].id if family else "")
            kept = checkpoints(key, key.cell(experiment.pretrained)) if key.plan.steps else ()
            points = along(network, kept, known)
            found += numbers(points) if points else ()
            first = look(network, known.inputs[:1])
            width = [*first.streams.values()][-1].shape[-1]
            weights = {name: each.weights[0].double() for name, each in first.attention.items()}
            maps = {name: each.numpy() for name, each in weights.items()}
            said = caveats(parts(network), known, width, found)
            table = pl.DataFrame([_row(each) for each in found], COLUMNS, orient="row")
            yield NetworkInside(_title(label, tunnel), table, points, said, maps)


def stream(run: Run) -> StreamInside:
    """What is recorded of the inside over the stream of a run; no tables where nobody looked.

    Args:
        run: finished or not.

    Raises:
        Damaged: a table is not as it was written.
    """
    tables, regimes = dict[str, list[pl.DataFrame]](), list[list[Span]]()
    for cell in run.cells():
        table = cell.condition.read()
        own = [name for name in INSIDE if name in table.columns]
        if own and len(table):
            kept = table.select("step", *own).filter(pl.any_horizontal(pl.col(own).is_finite()))
            tables.setdefault(cell.label, []).append(kept)
            regimes.append(spans(cell.steps.read(["step", "regime", "shift"])))
    agreed = regimes[0] if regimes and all(each == regimes[0] for each in regimes) else []
    return StreamInside(tables, agreed)


def _row(number: Number) -> tuple[str | float, ...]:
    return tuple(getattr(number, name) for name in COLUMNS)


def _title(label: str, tunnel: Tunnel) -> str:
    return f"{label} on {tunnel!r}"
