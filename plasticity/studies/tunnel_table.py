"""The tunnel table: how exactly does each network infer in context? Pretrained, then scored on held-out episodes."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from rich.table import Table as RichTable

from plasticity.config.recipe import Recipe
from plasticity.core.network import Network
from plasticity.core.predictors import AMNESIC, MEANING, MODEL
from plasticity.core.stream import Stream
from plasticity.engine import scorer
from plasticity.engine.pretrain import fresh, pretrained
from plasticity.engine.pretrain_key import Key, fresh_network
from plasticity.engine.trainer import SCORES
from plasticity.launch.executors import Engine, share
from plasticity.launch.experiment import Experiment
from plasticity.metrics.summary import spread
from plasticity.networks.matched import parameters
from plasticity.observers.reference import ReferencePredictors
from plasticity.plots.lines import Curve, averaged
from plasticity.plots.lines import curves as lines_of
from plasticity.plots.style import BASELINE, DASHES, Look, looks
from plasticity.report.page import Chapter, NumberTable, Page, Picture, Pictures, Section, Words
from plasticity.results.table import Table as Stored

EPISODES = 2048
"""Held-out episodes on which an entry is scored; the same for every network of a seed."""
BASELINES = ("memoryless", "position", "uniform")
CONSTANT = "best constant"
"""Not a predictor but a number: the entropy that, said everywhere, has the least mean entropy error."""
TITLES = ("task", "network", "parameters", "KL", "excess loss", "entropy error", "of memoryless")
SPARE = ("excess loss", "entropy error", "of memoryless")
"""Titles that a narrow terminal does without, the first to go first."""
CAPTION = (
    "KL from the exact observer (the amnesic one), log loss beyond it, and |difference of entropies|: bits per "
    "asked position. The last is no proper score: beside it the best constant entropy, which knows nothing. "
    "Of memoryless: KL as a share of the best predictor that sees the last symbol only; "
    "0 is exact inference, 1 is no use of the past. Beside them "
    + "; ".join(f"{who}: {MEANING[who]}" for who in BASELINES)
    + "."
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
    """KL(amnesic || predictor); none of the best constant, which is no distribution."""
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
    """Every metric of every predictor at every asked position of every tunnel, in bits, on the world's probes.

    And the entropy error of the best constant: mean |H(amnesic) - c|, which is least where c is the median.
    """
    reference, found, tunnels, places = ReferencePredictors(world), [], [], []
    entropies = list[torch.Tensor]()
    for regime, (batch, key) in zip(world.probed, world.keyed_probes(), strict=True):
        exact = torch.from_numpy(reference.predict(batch, key, world.probe_groups(regime)))
        parts = batch.inputs.split(256)
        logits = torch.cat([network(part)[:, batch.asked] for part in parts])
        scores = scorer.score(logits, batch.targets[:, batch.asked], exact)
        found.append(scores.flatten(0, 1).numpy())
        entropies.append(torch.special.entr(exact[AMNESIC]).sum(-1) / scorer.BIT)
        places.append(np.flatnonzero(batch.asked.numpy()))
        tunnels.append(np.full(len(places[-1]), world.tunnel_index(regime)))
    head = {"tunnel": np.concatenate(tunnels), "position": np.concatenate(places)}
    constant = torch.cat([each.flatten() for each in entropies]).quantile(0.5)
    errors = torch.cat([(each - constant).abs().mean(0) for each in entropies])
    head[f"entropy_error_amnesic/{CONSTANT}"] = errors.numpy()
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
        if all(f"entropy_error_amnesic/{CONSTANT}" in table.columns for table in tables):
            error = [_mean(table, f"entropy_error_amnesic/{CONSTANT}") for table in tables]
            found.append(TunnelRow(task, CONSTANT, None, [], [], error, math.nan))
    return found


def shown(done: Sequence[tuple[TableEntry, pl.DataFrame]]) -> RichTable:
    """The table, for a terminal. Bits per asked position, mean and 95 % interval over seeds."""
    table = RichTable(caption=CAPTION, box=None, header_style="bold", pad_edge=False)
    for i, name in enumerate(TITLES):
        title = name.replace(" ", "\n", 1)
        table.add_column(title, justify="left" if i < 2 else "right", no_wrap=True)
    for row in rows(done):
        style = "bright_black" if row.params is None else None
        table.add_row(*_cells(row), style=style)
    return table


def page(done: Sequence[tuple[TableEntry, pl.DataFrame]]) -> Page:
    """The table, and the curves over positions."""
    seeds = len({entry.seed for entry, _ in done})
    lines = [(_cells(row), row.params is None) for row in rows(done)]
    note = f"{seeds} seeds; ± is the 95 % interval of the mean (Student's t)."
    table = Section("", [NumberTable(TITLES, lines, "tunnel table"), Words(note, "small")])
    tasks = list(dict.fromkeys(entry.experiment.name for entry, _ in done))
    pictures = Pictures([_picture(task, done) for task in tasks])
    words = Words("Mean over seeds with its 95 % interval; grey: baselines.")
    title = "KL(amnesic || network) at each asked position, in bits"
    return Page("Tunnel table", CAPTION, [Chapter("", [table, Section(title, [words, pictures])])])


def write(done: Sequence[tuple[TableEntry, pl.DataFrame]], path: Path) -> Path:
    """The page, written whole."""
    return page(done).write(path)


def _picture(task: str, done: Sequence[tuple[TableEntry, pl.DataFrame]]) -> Picture:
    """Of the first tunnel of a task: every network, and the baselines."""
    mine = [(entry, table) for entry, table in done if entry.experiment.name == task]
    own = looks(entry.label for entry, _ in done)
    drawn = {
        label: _curve([t for e, t in mine if e.label == label], MODEL, own[label])
        for label in dict.fromkeys(entry.label for entry, _ in mine)
    }
    for name, dash in zip(BASELINES, DASHES[1:], strict=False):
        drawn[name] = _curve([table for _, table in mine], name, BASELINE._replace(dash=dash))
    lines = [
        (title, *point)
        for title, curve in drawn.items()
        for point in zip(curve.x.tolist(), curve.y.tolist(), strict=True)
    ]
    data = pl.DataFrame(lines, ["title", "position", "bits"], orient="row")
    axes = lines_of(drawn, "asked position (symbols)", "bits per position", log=True)
    return Picture(axes, f"curves {task}", data, task)


def _cells(row: TunnelRow) -> list[str]:
    """What a line shows."""
    size = "" if row.params is None else f"{row.params:,}"
    scores = [spread(v, 4) if v else "" for v in (row.kl, row.excess, row.entropy)]
    share = "" if math.isnan(row.of_memoryless) else f"{row.of_memoryless:.3f}"
    return [row.task, row.predictor, size, *scores, share]


def _curve(tables: Sequence[pl.DataFrame], who: str, look: Look) -> Curve:
    """KL(amnesic || who) at each asked position of the first tunnel, over seeds."""
    first = [t.filter(pl.col("tunnel") == 0) for t in tables]
    each = [t[f"kl_amnesic/{who}"].to_numpy() for t in first]
    return averaged(first[0]["position"].to_numpy(), each, look)


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


def _place(entry: TableEntry) -> tuple[Key, Stored]:
    """What is pretrained, and where its curves are kept."""
    key = entry.experiment.pretraining(entry.network, entry.seed)
    return key, Stored(key.cell(entry.experiment.pretrained).path / "curves")


def _work(index: int, entry: TableEntry) -> int:
    curves(entry)
    return index
