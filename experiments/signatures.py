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
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.progress import Progress
from scipy.stats import spearmanr

from plasticity.cli.common import parsed
from plasticity.config.recipe import Recipe
from plasticity.core.network import Network
from plasticity.diagnostics.geometry import belief, changes, measure
from plasticity.diagnostics.geometry.capture import look, parts
from plasticity.diagnostics.geometry.effects import bits
from plasticity.diagnostics.geometry.episodes import KnownEpisodes, known_episodes
from plasticity.diagnostics.geometry.view import Number, View
from plasticity.engine.pretrain import checkpoints, pretrained
from plasticity.engine.pretrain_key import fresh_network
from plasticity.engine.progress import Bar, bars
from plasticity.launch.experiment import Experiment
from plasticity.metrics.significance import spread
from plasticity.results.csv_text import frame_csv
from plasticity.results.sealed import write_whole

HERE = Path(__file__).parent
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
    "keys: |cosine|": Signature(("keys/cosine",), ""),
    "attention: entropy": Signature(("focus",), ""),
    "attention: on the evidence, best head": Signature(
        ("alignment", "alignment/next"), "", "", True
    ),
    "head: worth of the dearest": Signature(("head/delta",), "", "", True),
    "layer: worth of the dearest": Signature(("layer/delta",), "", "", True),
    "values: share of PC1": Signature(("values/pc1",), "stream"),
    "values: directions": Signature(("values/pr",), "stream"),
    "values: |rho| of PC1 with entropy": Signature(("values/entropy_rho",), "stream"),
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


def view(network: Network, known: KnownEpisodes) -> View:
    """One pass; the controls are drawn alike for every network."""
    rng = np.random.default_rng(0)
    return View(network, parts(network), known, look(network, known.inputs), rng)


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
        for name, recipe in experiments[task].labelled_networks().items()
        if name != "MLP"
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
    return pl.concat(frames).join(exact, by)


Correlate = Callable[[pl.DataFrame], list[float]]
"""From the rows of one task and signature to correlations, whose mean is the task's."""


def rho(x: pl.Series, y: pl.Series) -> list[float]:
    """Spearman's; none where there are fewer than three, or something does not vary."""
    known = x.is_finite() & y.is_finite()
    x, y = x.filter(known), y.filter(known)
    alike = len(x) < 3 or x.n_unique() < 2 or y.n_unique() < 2
    return [] if alike else [float(spearmanr(x, y).statistic)]


def among_networks(column: str, first: bool = False) -> Correlate:
    """Over all networks at the end; of several architectures only."""

    def correlate(rows: pl.DataFrame) -> list[float]:
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


def correlations(rows: pl.DataFrame) -> dict[str, dict[str, list[float]]]:
    """Signature -> what is compared -> rho of each task."""
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
        for name in SIGNATURES
    }


def lines(found: dict[str, dict[str, list[float]]]) -> Iterator[Sequence[str]]:
    """The table, in Markdown."""
    yield ("signature", *COMPARED)
    for name, columns in found.items():
        yield (name, *(spread(each, 2) if each else "" for each in columns.values()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    rows = reduced(everything(Path(sys.argv[1])))
    for each in lines(correlations(rows)):
        print("| " + " | ".join(each) + " |")
