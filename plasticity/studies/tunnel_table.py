"""The tunnel table: how exactly does each network infer in context? Pretrained, then scored on held-out episodes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from rich.table import Table as RichTable

from plasticity.config.recipe import Recipe
from plasticity.core.network import Network
from plasticity.core.predictors import MODEL
from plasticity.core.stream import Stream
from plasticity.engine import scorer
from plasticity.engine.pretrain import Key, fresh, fresh_network, pretrained
from plasticity.engine.trainer import SCORES
from plasticity.launch.executors import Engine, share
from plasticity.launch.experiment import Experiment
from plasticity.metrics.summary import spread
from plasticity.networks.matched import parameters
from plasticity.observers.reference import ReferencePredictors
from plasticity.plots import pictures
from plasticity.report import page
from plasticity.results.store import Table

EPISODES = 2048
"""Held-out episodes on which an entry is scored; the same for every network of a seed."""
BASELINES = ("memoryless", "position", "uniform")
TITLES = ("task", "network", "parameters", "KL", "excess loss", "entropy error", "of memoryless")
CAPTION = (
    "KL from the exact observer (the amnesic one), log loss beyond it, and |difference of entropies|: bits per "
    "asked position. Of memoryless: KL as a share of the best predictor that sees the last symbol only; "
    "0 is exact inference, 1 is no use of the past."
)


class TableEntry(NamedTuple):
    """One pretraining: what is learned, by what, under which seed."""

    experiment: Experiment
    label: str
    network: Recipe[Network]
    seed: int

    @property
    def name(self) -> str:
        """For people: task, network, seed."""
        return f"{self.experiment.name} {self.label} seed {self.seed}"


class TunnelRow(NamedTuple):
    """One line of the table. Bits per asked position, one value per seed."""

    task: str
    predictor: str
    params: int | None
    kl: list[float]
    """KL(amnesic || predictor)."""
    excess: list[float]
    """Log loss less the amnesic observer's, on the symbols that came: the same thing, sampled."""
    entropy: list[float]
    """Mean |H(predictor) - H(amnesic)|; not a proper score."""
    of_memoryless: float
    """Mean KL over the memoryless baseline's: 0 is exact, 1 is no use of the past."""


def entries(experiments: Sequence[Experiment]) -> list[TableEntry]:
    """Every (experiment, network, seed), the seeds outermost so that an unfinished table has all networks."""
    return [
        TableEntry(experiment, label, network, seed)
        for nth in range(max(len(e.seeds or [e.seed]) for e in experiments))
        for experiment in experiments
        for seed in (experiment.seeds or [experiment.seed])[nth : nth + 1]
        for label, network in experiment.labelled_networks().items()
    ]


def run(wanted: Sequence[TableEntry], jobs: int) -> Iterator[int]:
    """Do every entry, several at a time; yields the index of each as it is done, those already done at once.

    Args:
        wanted: what the table needs.
        jobs: processes; each computes with its share of the cores.
    """
    left = [i for i, entry in enumerate(wanted) if not len(_place(entry)[1].read())]
    yield from sorted(set(range(len(wanted))) - set(left))
    yield from share(_work, [(i, wanted[i]) for i in left], Engine(jobs=jobs))


def curves(entry: TableEntry) -> pl.DataFrame:
    """One row per asked position of a tunnel: tunnel, position, <metric>/<predictor> [bits]. Kept beside the weights.

    Pretrains if that was never done, and goes on where a pretraining was killed.
    """
    key, kept = _place(entry)
    if not len(kept.read()):
        weights, _ = pretrained(key, entry.experiment.pretrained)
        network = fresh_network(key.network, key.spec, key.seed)
        network.load_state_dict(weights)
        tunnels = key.stream.build(seed=key.seed).tunnels
        held_out = fresh(tunnels, key.plan, key.spec.time, key.seed + (1 << 30), EPISODES)
        kept.write(0, score(network, held_out))
    return kept.read()


@torch.no_grad()
def score(network: Network, world: Stream) -> dict[str, np.ndarray]:
    """Every metric of every predictor at every asked position of every tunnel, in bits, on the world's probes."""
    reference, found, tunnels, places = ReferencePredictors(world), [], [], []
    for regime, (batch, key) in zip(world.probed, world.keyed_probes(), strict=True):
        exact = torch.from_numpy(reference.predict(batch, key, world.probe_groups(regime)))
        parts = batch.inputs.split(256)
        logits = torch.cat([network(part)[:, batch.asked] for part in parts])
        scores = scorer.score(logits, batch.targets[:, batch.asked], exact)
        found.append(scores.flatten(0, 1).numpy())
        places.append(np.flatnonzero(batch.asked.numpy()))
        tunnels.append(np.full(len(places[-1]), world.tunnel_index(regime)))
    head = {"tunnel": np.concatenate(tunnels), "position": np.concatenate(places)}
    return head | dict(zip(SCORES, np.concatenate(found, axis=1), strict=True))


def rows(done: Sequence[tuple[TableEntry, pl.DataFrame]]) -> list[TunnelRow]:
    """The lines of the table, task by task: networks in the order of the YAML, then the baselines."""
    found: list[TunnelRow] = []
    for task in dict.fromkeys(entry.experiment.name for entry, _ in done):
        mine = [(entry, table) for entry, table in done if entry.experiment.name == task]
        past = float(np.mean([_mean(table, "kl_amnesic/memoryless") for _, table in mine]))
        for label in dict.fromkeys(entry.label for entry, _ in mine):
            tables = [table for entry, table in mine if entry.label == label]
            network = next(entry for entry, _ in mine if entry.label == label)
            found.append(_row(task, label, _size(network), tables, MODEL, past))
        first = mine[0][0].label
        tables = [table for entry, table in mine if entry.label == first]
        found += [_row(task, name, None, tables, name, past) for name in BASELINES]
    return found


def shown(done: Sequence[tuple[TableEntry, pl.DataFrame]]) -> RichTable:
    """The table, for a terminal. Bits per asked position, mean and 95 % interval over seeds."""
    table = RichTable(caption=CAPTION, box=None, header_style="bold", pad_edge=False)
    kept = [i for i, name in enumerate(TITLES) if name != "parameters"]  # what fits a terminal
    for i in kept:
        title = TITLES[i].replace(" ", "\n", 1)
        table.add_column(title, justify="left" if i < 2 else "right", no_wrap=True)
    for row in rows(done):
        style = "bright_black" if row.params is None else None
        cells = _cells(row)
        table.add_row(*(cells[i] for i in kept), style=style)
    return table


def write(done: Sequence[tuple[TableEntry, pl.DataFrame]], path: Path) -> Path:
    """The table and the curves over positions, as one self-contained page."""
    tasks = list(dict.fromkeys(entry.experiment.name for entry, _ in done))
    figures = []
    for task in tasks:
        mine = [(entry, table) for entry, table in done if entry.experiment.name == task]
        curves = {
            label: ([t for e, t in mine if e.label == label], MODEL, False)
            for label in dict.fromkeys(entry.label for entry, _ in mine)
        }
        curves |= {name: ([table for _, table in mine], name, True) for name in BASELINES}
        first = [float(p) for p in mine[0][1].filter(pl.col("tunnel") == 0)["position"]]
        drawn = {
            title: (_curve(tables, f"kl_amnesic/{who}"), baseline)
            for title, (tables, who, baseline) in curves.items()
        }
        figures.append(
            f"<figure><figcaption>{task}</figcaption>{pictures.lines(drawn, first)}</figure>"
        )
    labels = list(dict.fromkeys(entry.label for entry, _ in done))
    seeds = len({entry.seed for entry, _ in done})
    body = (
        page.table(TITLES, [(_cells(row), row.params is None) for row in rows(done)])
        + f"<p class=small>{seeds} seeds; ± is the 95 % interval of the mean (Student's t).</p>"
        "<h3>KL(amnesic || network) at each asked position, in bits</h3>"
        f"{pictures.legend(labels, baselines=True)}<div class=heats>{''.join(figures)}</div>"
    )
    return page.write(path, "Tunnel table", CAPTION, [body])


def _cells(row: TunnelRow) -> list[str]:
    """What a line shows."""
    size = "" if row.params is None else f"{row.params:,}"
    scores = [spread(values, 4) for values in (row.kl, row.excess, row.entropy)]
    return [row.task, row.predictor, size, *scores, f"{row.of_memoryless:.3f}"]


def _curve(tables: Sequence[pl.DataFrame], column: str) -> list[float]:
    """Mean over seeds at each asked position of the first tunnel."""
    each = [t.filter(pl.col("tunnel") == 0)[column].to_numpy() for t in tables]
    return np.mean(each, axis=0).tolist()


def _row(
    task: str,
    title: str,
    size: int | None,
    tables: Sequence[pl.DataFrame],
    predictor: str,
    past: float,
) -> TunnelRow:
    kl = [_mean(t, f"kl_amnesic/{predictor}") for t in tables]
    excess = [
        _mean(t, f"kl_realised/{predictor}") - _mean(t, "kl_realised/amnesic") for t in tables
    ]
    entropy = [_mean(t, f"entropy_error_amnesic/{predictor}") for t in tables]
    return TunnelRow(task, title, size, kl, excess, entropy, float(np.mean(kl)) / past)


def _mean(table: pl.DataFrame, column: str) -> float:
    return float(table[column].to_numpy().mean())


def _size(entry: TableEntry) -> int:
    stream = entry.experiment.stream.build(seed=entry.seed)
    return parameters(entry.network.build(vocab=stream.vocab, symbols=stream.symbols))


def _place(entry: TableEntry) -> tuple[Key, Table]:
    """What is pretrained, and where its curves are kept."""
    key = entry.experiment.pretraining(entry.network, entry.seed)
    return key, Table(key.cell(entry.experiment.pretrained).path / "curves")


def _work(index: int, entry: TableEntry) -> int:
    curves(entry)
    return index
