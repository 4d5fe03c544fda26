"""Signatures of exactness: which of the published geometry goes with being exact?

    python experiments/signatures.py runs/signatures [figure.png]

Five tasks of the wind-tunnel papers, four networks of one size, three seeds, pretrained on the exact posterior. At
every checkpoint the geometry of the network (`plasticity explain metric` has the formulas) and KL(amnesic || network),
on held-out episodes. What is done is kept in the folder: the same command goes on where it was stopped. Printed, and
drawn, is Spearman's rho of each signature with exactness, -KL:

    networks   of one task, at the end of pretraining: does it tell which of the networks is nearer to exact?
    initial    the same, of the signature with the initial weights: what the architecture alone gives
    control    the same, of the signature's matched control
    seeds      of one task, architecture and checkpoint: does it tell which of the seeds is?
    training   of one network, along its checkpoints: does it rise as the network learns? The number of steps does, too

Each is a mean over tasks, with its 95 % interval over tasks (Student's t).
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress
from scipy.stats import spearmanr

from plasticity.cli.common import parsed
from plasticity.config.recipe import Recipe
from plasticity.core.network import Network
from plasticity.diagnostics.geometry import belief, changes, measure
from plasticity.diagnostics.geometry.effects import bits
from plasticity.diagnostics.geometry.episodes import KnownEpisodes, known_episodes
from plasticity.diagnostics.geometry.view import Number, view
from plasticity.engine.pretrain import checkpoints, pretrained
from plasticity.engine.pretrain_key import fresh_network
from plasticity.engine.progress import Bar, bars
from plasticity.launch.experiment import Experiment
from plasticity.metrics.significance import holm, interval, own_p, spread
from plasticity.plots.insides import MARKS
from plasticity.plots.style import COLOURS, LINE, PAPER, PIXELS, SOFT, key, style
from plasticity.results.csv_text import frame_csv
from plasticity.results.sealed import write_whole

HERE = Path(__file__).parent
NETWORKS = ("Transformer", "Mamba", "GatedDeltaNet", "LSTM")
TASKS = ("bijection", "binding", "recall", "hmm", "recurrence")
WORDS = (
    "--pretrain.steps=800",
    "--pretrain.target=posterior",
    "--pretrain.checkpoints=[0,50,150,400]",
)
CHANGED = (0, 800)
"""Checkpoints at which networks are changed too (layers, heads, cuts): that takes many passes."""
EPISODES, FEWER = 384, 128
"""Held out, to be looked at; and of these, those on which networks are changed."""


class Signature(NamedTuple):
    """One number per network and checkpoint."""

    ids: tuple[str, ...]
    """Of the glossary."""
    site: str
    """What the site begins with."""
    what: str = ""
    most: bool = False
    """Whether it is the largest of them, or their mean."""


SIGNATURES = {
    "keys: mean cosine": Signature(("keys/cosine",), ""),
    "attention: entropy": Signature(("focus",), ""),
    "attention: on the evidence, best head": Signature(
        ("alignment", "alignment/next"), "", "", True
    ),
    "head: worth of the dearest": Signature(("head/delta",), "", "", True),
    "layer: worth of the dearest": Signature(("layer/delta",), "", "", True),
    "values: share of PC1": Signature(("values/pc1",), "stream"),
    "values: directions": Signature(("values/pr",), "stream"),
    "values: PC1 ordered by entropy": Signature(("values/entropy_rho",), "stream"),
    "the same within positions": Signature(("values/entropy_rho_within",), "stream"),
    "entropy, read out": Signature(("belief/r2_entropy",), "last"),
    "cut of the entropy axis": Signature(("cut",), "last", "entropy"),
    "belief, read out of the memory": Signature(("belief/r2",), "memory", "", True),
    "belief, read out": Signature(("belief/r2",), "last"),
    "(entropy of the answers)": Signature(("said/entropy",), ""),
    "(variance of the last stream)": Signature(("stream/variance",), ""),
}
"""In brackets: trivial ones, which nobody would call geometry."""


def experiment(task: str) -> Experiment:
    """The small preset of a task, pretrained for a short time on the posterior."""
    return parsed(HERE / "wind_tunnel" / "small" / f"{task}.yaml", WORDS)


def numbers(network: Network, known: KnownEpisodes, changed: bool) -> Iterator[Number]:
    """The geometry of a network, and how exact it is: `kl` in bits, beside that of the memoryless predictor."""
    of = view(network, known)
    first, *_, last = of.parts.streams
    stream = known.at(of.inside.streams[last])
    exact = bits(known.posterior, of.whole).mean()
    memoryless = bits(known.posterior, belief.cell_means(known.posterior, known.cell)).mean()
    yield Number("kl", "", "", float(exact), baseline=float(memoryless))
    said = -(of.whole * np.log2(np.maximum(of.whole, 1e-300))).sum(-1).mean()
    yield Number("said/entropy", "", "", float(said), baseline=float(known.entropy.mean()))
    yield Number("stream/variance", "", "", float(stream.var((0, 1)).sum()))
    yield from measure.addresses(of)
    yield from measure.looks(of)
    ends = {name: of.inside.streams[name] for name in (first, last)}
    yield from measure.contents(replace(of, inside=of.inside._replace(streams=ends)))
    held = of.inside._replace(streams={"last": ends[last]}, states=renamed(of.inside.states))
    yield from measure.beliefs(replace(of, inside=held))
    if changed:
        of = view(network, fewer(known))
        yield from changes.layers(of)
        yield from changes.heads(of)
        inside = of.inside._replace(streams={"last": of.inside.streams[last]})
        streams = of.parts._replace(streams={"last": of.parts.streams[last]})
        yield from changes.cuts(replace(of, parts=streams, inside=inside))


def renamed(states: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Memories, by names that begin alike for every network."""
    return {f"memory {name}": each for name, each in states.items()}


def fewer(known: KnownEpisodes) -> KnownEpisodes:
    """The first episodes."""
    evidence = known.sufficient
    return known._replace(
        inputs=known.inputs[:FEWER],
        posterior=known.posterior[:FEWER],
        sufficient=None if evidence is None else evidence[:FEWER],
    )


def measured(of: Experiment, recipe: Recipe[Network], seed: int, bar: Progress) -> pl.DataFrame:
    """The numbers of one network at its checkpoints."""
    key = of.pretraining(recipe, seed)
    name = f"{of.name} {recipe.cls.__name__} {seed}"
    _, cell = pretrained(key, of.pretrained, [own := Bar(bar, name, key.plan.steps)])
    bar.remove_task(own.task)
    network = fresh_network(recipe, key.spec, key.seed).eval()
    (tunnel,) = key.tunnels()
    known = known_episodes(tunnel, key.spec.time, EPISODES, np.random.default_rng(12345))
    frames = list[pl.DataFrame]()
    for steps, state in checkpoints(key, cell):
        network.load_state_dict(state)
        found = [*numbers(network, known, steps in CHANGED)]
        table = pl.DataFrame(found, [*Number._fields], orient="row")
        frames.append(table.with_columns(steps=pl.lit(steps)))
    head = {"task": of.name, "network": recipe.cls.__name__, "seed": seed}
    return pl.concat(frames).select(*[pl.lit(v).alias(k) for k, v in head.items()], pl.all())


def everything(folder: Path) -> pl.DataFrame:
    """The numbers of all networks; seeds outermost, so that what is there after a while has all tasks."""
    tables, experiments = list[pl.DataFrame](), {task: experiment(task) for task in TASKS}
    wanted = [
        (task, recipe, seed)
        for seed in experiments[TASKS[0]].seeds
        for task in TASKS
        for recipe in experiments[task].networks
        if recipe.cls.__name__ in NETWORKS
    ]
    with bars(Console(stderr=True)) as bar:
        whole = bar.add_task("networks", total=len(wanted), note="")
        for task, recipe, seed in wanted:
            file = folder / f"{task}-{recipe.cls.__name__}-{seed}.csv"
            if not file.exists():
                of = replace(experiments[task], out=str(folder))
                write_whole(file, frame_csv(measured(of, recipe, seed, bar)).encode())
            tables.append(pl.read_csv(file, infer_schema_length=None))
            bar.update(whole, advance=1, note=file.stem)
    return pl.concat(tables, how="vertical_relaxed")


def reduced(table: pl.DataFrame) -> pl.DataFrame:
    """A row per network, checkpoint and signature: value, control, and `exact`, which is -KL."""
    by = ["task", "network", "seed", "steps"]
    exact = table.filter(pl.col("id") == "kl").select(
        *by, exact=-pl.col("value"), share=pl.col("value") / pl.col("baseline")
    )
    frames = list[pl.DataFrame]()
    for name, (ids, site, what, most) in SIGNATURES.items():
        own = table.filter(
            pl.col("id").is_in(ids), pl.col("site").fill_null("").str.starts_with(site)
        )
        own = own.filter(pl.col("what") == what) if what else own
        ways = [pl.col(c).max() if most else pl.col(c).mean() for c in ("value", "control")]
        frames.append(own.group_by(by).agg(ways).with_columns(signature=pl.lit(name)))
    steps = exact.select(*by, value=pl.col("steps").cast(float), control=pl.lit(np.nan))
    frames.append(steps.with_columns(signature=pl.lit("(steps of training)")))
    return pl.concat(frames).join(exact, by)


Correlate = Callable[[pl.DataFrame], list[float]]
"""From the rows of one task and signature to correlations, whose mean is the task's."""


def rho(x: pl.Series, y: pl.Series) -> list[float]:
    """Spearman's; none where there are fewer than three, or something does not vary."""
    known = x.is_finite() & y.is_finite()
    x, y = x.filter(known), y.filter(known)
    alike = len(x) < 3 or x.n_unique() < 2 or y.n_unique() < 2
    return [] if alike else [float(np.asarray(spearmanr(x, y))[0])]


def among_networks(column: str, first: bool = False) -> Correlate:
    """Over all networks at the end; of several architectures only."""

    def correlate(rows: pl.DataFrame) -> list[float]:
        if not len(rows):
            return []
        end = rows.filter(pl.col("steps") == rows["steps"].max())
        if end["network"].n_unique() < 3:
            return []
        taken = rows.filter(pl.col("steps") == rows["steps"].min()) if first else end
        both = taken.select("network", "seed", x=column).join(
            end.select("network", "seed", "exact"), ["network", "seed"]
        )
        return rho(both["x"], both["exact"])

    return correlate


def within(*groups: str) -> Correlate:
    """Over what these columns have in common."""

    def correlate(rows: pl.DataFrame) -> list[float]:
        each = (rho(group["value"], group["exact"]) for _, group in rows.group_by(groups))
        return [found for one in each for found in one]

    return correlate


COMPARED: dict[str, Correlate] = {
    "networks": among_networks("value"),
    "initial": among_networks("value", first=True),
    "control": among_networks("control"),
    "seeds": within("network", "steps"),
    "training": within("network", "seed"),
}


Correlations = dict[str, dict[str, list[float]]]
"""Signature -> what is compared -> rho of each task."""


def correlations(rows: pl.DataFrame) -> Correlations:
    """Of every signature."""
    return {
        name: {
            column: [
                float(np.mean(found))
                for task in TASKS
                if (
                    found := correlate(
                        rows.filter(pl.col("signature") == name, pl.col("task") == task)
                    )
                )
            ]
            for column, correlate in COMPARED.items()
        }
        for name in (*SIGNATURES, "(steps of training)")
    }


def lines(found: Correlations) -> Iterator[Sequence[str]]:
    """The table, in Markdown; p of `networks`, t test over tasks, corrected for all that is asked (Holm)."""
    own = {name: columns["networks"] for name, columns in found.items() if columns["networks"]}
    p = dict(zip(own, holm(np.array([own_p(each) for each in own.values()])), strict=True))
    yield ("signature", "networks", "p", *[*COMPARED][1:])
    yield ("---",) * (len(COMPARED) + 2)
    for name, columns in found.items():
        told = [spread(each, 2) if each else "" for each in columns.values()]
        yield (name, told[0], f"{p[name]:.3f}" if name in p else "", *told[1:])


@style()
def drawn(rows: pl.DataFrame, found: Correlations) -> Figure:
    """Who goes with exactness: among networks, along training; and two signatures, network by network."""
    figure = Figure(figsize=(1140 / PIXELS, 860 / PIXELS), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.25, 1))
    names, marks = [*found], {"networks": MARKS["value"], "initial": MARKS["initial"]}
    marks["control"] = MARKS["control"]
    left, right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    right.sharey(left)
    handles = {
        "at the end": dots(left, found, "networks", marks["networks"], True),
        "with the initial weights": dots(left, found, "initial", marks["initial"]),
        "matched control": dots(left, found, "control", marks["control"]),
    }
    dots(right, found, "training", marks["networks"], True)
    for ax in (left, right):
        ax.axvline(0, color=LINE, linewidth=1, zorder=1)
        ax.set_xlim(-1.05, 1.05)
        for i, name in enumerate(names):
            if why := absent(found[name], ax is left):
                ax.text(0, i, why, ha="center", va="center", color=SOFT, backgroundcolor=PAPER)
        ax.set_xlabel("rank correlation with exactness, mean over five tasks and 95 % interval")
    left.set_yticks(np.arange(len(names)), names)
    left.set_ylim(len(names) - 0.4, -0.6)
    right.tick_params(labelleft=False)
    left.set_title("Which of four trained networks is nearer to exact?", loc="left")
    right.set_title("Does it rise as one network learns?", loc="left")
    key(left, handles, below=44)
    end = rows.filter(pl.col("steps") == rows["steps"].max())
    for column, name in enumerate(("belief, read out", "values: PC1 ordered by entropy")):
        scattered(figure.add_subplot(grid[1, column]), end, name)
    return figure


def absent(columns: dict[str, list[float]], networks: bool) -> str:
    """Why there is no dot."""
    if columns["networks" if networks else "training"]:
        return ""
    if not networks:
        return "at the beginning and the end alone"
    return "of the Transformer alone" if columns["seeds"] else "the same for all"


def dots(
    ax: Axes, found: Correlations, column: str, mark: dict[str, Any], spans: bool = False
) -> Artist:
    """Means over tasks, a row per signature, and their intervals."""
    kept = {i: each[column] for i, each in enumerate(found.values()) if each[column]}
    means = [float(np.mean(each)) for each in kept.values()]
    if spans:
        wide = [interval(each) or 0.0 for each in kept.values()]
        low, high = np.clip(np.array([means, means]) + np.array([[-1], [1]]) * wide, -1.05, 1.05)
        ax.hlines([*kept], low, high, color=mark["color"], linewidth=1.6, zorder=2)
    return ax.scatter(means, [*kept], zorder=3, **mark)


def scattered(ax: Axes, end: pl.DataFrame, name: str) -> None:
    """Every network at the end: the signature, and how far from exact it is."""
    own = end.filter(pl.col("signature") == name, pl.col("value").is_finite())
    varied = own.group_by("task").agg(pl.col("value").n_unique() > 1).filter("value")["task"]
    own, handles = own.filter(pl.col("task").is_in(varied.implode())), dict[str, Artist]()
    for colour, network in zip(COLOURS, NETWORKS, strict=False):
        for task, marker in zip(TASKS, "osD^v", strict=True):
            mine = own.filter(pl.col("network") == network, pl.col("task") == task)
            look = {"color": colour, "marker": marker, "s": 30, "alpha": 0.8, "linewidths": 0}
            points = ax.scatter(mine["value"], 100 * mine["share"], **look)
            handles.setdefault(network, points)
    for task, marker in zip(TASKS, "osD^v", strict=True):
        handles[task] = ax.scatter([], [], color=SOFT, marker=marker, s=30)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_xlabel(name)
    ax.set_ylabel("bits from exact, % of the memoryless guess")
    ax.set_title(f"Every network at the end: {name}", loc="left")
    key(ax, handles, below=44)


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows = reduced(everything(Path(sys.argv[1])))
    found = correlations(rows)
    for each in lines(found):
        print("| " + " | ".join(each) + " |")
    for picture in sys.argv[2:]:
        with style():
            drawn(rows, found).savefig(picture, dpi=2 * PIXELS)
