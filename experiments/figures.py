"""Figures of the log, each from a finished run: python experiments/figures.py einstein runs/einstein/<id> einstein.png.

Kinds: einstein (Revolution), gravity (a sweep of it), ladder (Revised), conversation (Conversations).
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plasticity.cli.common import parsed
from plasticity.core.stream import Stream
from plasticity.metrics.gravity import log_odds
from plasticity.metrics.visits import probed
from plasticity.report.run_report import by_label
from plasticity.results.store import Cell, Run
from streams.causal.revised import CHANGED, UNCHANGED, Revised
from streams.conversation.schedule import Conversations
from streams.laws.revolution import ANOMALOUS, ANOMALOUS_OLD, UNSEEN, UNSEEN_OLD, Revolution

BAYES = "exact Bayes"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10})


def einstein(run: Run) -> None:
    """How many anomalies change a mind: log odds of the revised law against the old one, by anomalies seen."""
    seeds = sorted({cell.seed for cell in run.cells()})
    figure, axes = plt.subplots(
        2, len(seeds), figsize=(4.6 * len(seeds), 6.6), sharey=True, sharex=True, squeeze=False
    )
    rows = ((ANOMALOUS, ANOMALOUS_OLD), (UNSEEN, UNSEEN_OLD))
    for column, seed in enumerate(seeds):
        cells = [cell for cell in run.cells() if cell.seed == seed]
        stream = world(run, seed)
        assert isinstance(stream, Revolution)
        texts, seen = stream.laws.book.texts, stream.seen(probed(cells[0].probes.read()).at)
        start = int(seen.searchsorted(1)) - 1

        for row, (new, old) in enumerate(rows):
            axis = axes[row, column]

            def draw(cell: Cell, who: str, **look: object) -> None:
                bits = probed(cell.probes.read(), f"kl/{who}").bits
                odds = log_odds(bits[:, new], bits[:, old], stream.laws.noise)  # noqa: B023
                axis.plot(seen[start:] + 1, odds[start:], **look)  # noqa: B023

            draw(cells[0], "continual", color="black", ls="--", lw=2.2, label="exact Bayes")
            for cell, colour in zip(cells, COLOURS, strict=False):
                draw(cell, "model", color=colour, label=cell.label)
            axis.axhline(0, color="grey", lw=0.8)
            axis.set_xscale("log")
        axes[0, column].set_title(
            f"held for long: y = {texts[stream.revision.old]}\nthe truth: {texts[stream.revision.revised]}",
            fontsize=9,
        )
        axes[1, column].set_xlabel("1 + anomalies seen")
    sides = "bits for the new law (above 0)\nor for the old one (below)"
    axes[0, 0].set_ylabel(f"Inputs like the anomalies\n{sides}")
    axes[1, 0].set_ylabel(f"Inputs of which none was ever shown\n{sides}")
    figure.suptitle(
        "How many anomalies change a mind? Exact Bayes needs a handful, gradient descent dozens",
        y=0.99,
    )
    below(figure, axes[1, 0])


def gravity(sweep: Run) -> None:
    """Anomalies until the mind changes, over the rate of anomalies and over the length of the era before them."""
    runs = [Run(path.parent) for path in sorted(sweep.path.glob("*/experiment.yaml"))]
    names = ["label", "rate", "era", "count", "changed"]
    table = pl.DataFrame([row for run in runs for row in counts(run)], names, orient="row")
    labels = table["label"].unique(maintain_order=True).to_list()
    shared = {name: table[name].median() for name in ("rate", "era")}  # by most runs
    figure, axes = plt.subplots(1, 2, figsize=(12, 5.4), sharey=True)
    for axis, varied, fixed in zip(axes, ("rate", "era"), ("era", "rate"), strict=True):
        some = table.filter(pl.col(fixed) == shared[fixed]).sort(varied)
        for nth, label in enumerate(labels):
            mine = some.filter(pl.col("label") == label)
            look = {"color": "black" if label == BAYES else COLOURS[nth]}
            aside = 1.06 ** (nth - len(labels) / 2)  # so that dots lie side by side
            for (changed,), dots in mine.group_by("changed"):
                face = look["color"] if changed else "none"
                axis.plot(
                    dots[varied] * aside, dots["count"], "o", ms=5, mfc=face, alpha=0.6, **look
                )
            line = mine.group_by(varied, maintain_order=True).agg(pl.col("count").median())
            style = "--" if label == BAYES else "-"
            axis.plot(line[varied] * aside, line["count"], ls=style, label=label, **look)
        ticks = some[varied].unique().to_list()
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
    axes[0].set_xlabel(f"chance that an observation is an anomaly (era of {shared['era']:g} steps)")
    axes[1].set_xlabel(f"steps that the old law held before (rate {shared['rate']:g})")
    axes[0].set_ylabel(
        "anomalies until the mind changes\ndot: one seed; hollow: never, of so many; line: median"
    )
    figure.suptitle(
        "How entrenched is a theory? Anomalies needed, by how rare they are and how long it held",
        y=0.99,
    )
    below(figure, axes[0])


def ladder(run: Run) -> None:
    """Bits by rung over time, and bits on what each change broke and on what it left."""
    groups = by_label(run)
    stream = world(run, run.cells()[0].seed)
    assert isinstance(stream, Revised)
    figure, axes = plt.subplots(2, 3, figsize=(14, 7.4))
    for axis, rung in zip(axes[0], ("association", "intervention", "counterfactual"), strict=True):
        for colour, (label, cells) in zip(COLOURS, groups.items(), strict=False):
            at, bits = live(run, cells, rung, "model")
            axis.plot(at, bits, color=colour, label=label)
        for who, style in (("amnesic", ":"), ("continual", "--")):
            axis.plot(
                *live(run, next(iter(groups.values())), rung, who),
                "k",
                ls=style,
                label=f"{who} Bayes",
            )
        shade(axis, stream)
        asks = {
            "association": "1 seeing: p(y | x)",
            "intervention": "2 doing: p(y | do(x))",
            "counterfactual": "3 imagining: what if x had been?",
        }
        axis.set_title(asks[rung])
        axis.set_xlabel("step")
        axis.set_ylim(bottom=0)
    margin = np.mean([c.summary["world/seeing_for_doing"] for c in run.cells()])
    axes[0, 1].axhline(margin, color="crimson", lw=1)
    axes[0, 1].text(0, margin, " seeing taken for doing", color="crimson", fontsize=8, va="bottom")
    axes[0, 0].set_ylabel("bits from the truth, live regime")
    for axis, kind in zip(axes[1], stream.changes, strict=True):
        for colour, cells in zip(COLOURS, groups.values(), strict=False):
            for view, style in ((CHANGED, "-"), (UNCHANGED, ":")):
                axis.plot(*visit(run, cells, kind, view), color=colour, ls=style)
        axis.set_title({"mechanism": "a mechanism is redrawn", "reversal": "an arrow is turned round",
                        "confounder": "a common cause is added"}[kind])  # fmt: skip
        axis.set_xlabel("steps since the change")
        axis.set_ylim(bottom=0)
    axes[1, 0].set_ylabel(
        "bits on p(y | do(x))\nsolid: what the change broke; dotted: what it left"
    )
    figure.suptitle("One change at a time: is it repaired, and is the rest left alone?", y=0.99)
    below(figure, axes[0, 0])


def conversation(run: Run) -> None:
    """Bits on the first program of a conversation, over time, mean over seeds."""
    groups = by_label(run)
    stream = world(run, run.cells()[0].seed)
    assert isinstance(stream, Conversations) and stream.steps
    figure, axis = plt.subplots(figsize=(10, 5))

    def curve(cells: list[Cell], who: str) -> tuple[np.ndarray, np.ndarray]:
        each = [stream.first(cell.probes.read(), who) for cell in cells]
        return each[0]["step"].to_numpy(), np.mean([e["bits"].to_numpy() for e in each], axis=0)

    for colour, (label, cells) in zip(COLOURS, groups.items(), strict=False):
        axis.plot(*curve(cells, "model"), color=colour, label=label)
    for who, style, told in (
        ("amnesic", ":", "exact Bayes, every conversation anew"),
        ("continual", "--", "exact Bayes that remembers"),
    ):
        axis.plot(*curve(next(iter(groups.values())), who), "k", ls=style, label=told)
    for v in range(-(-stream.steps // stream.period)):
        begin = v * stream.period
        if v % 2:
            axis.axvspan(begin, begin + stream.period, color="0.93", zorder=0)
        name = f"dialect {'ABCDEFGH'[stream.visited(v)]}"
        axis.text(begin + stream.period / 2, 0.99, name, transform=axis.get_xaxis_transform(),
                  ha="center", va="top", color="0.4")  # fmt: skip
    axis.set_ylim(bottom=0)
    axis.set_xlabel("step (8 conversations each)")
    axis.set_ylabel("bits from the truth per token,\nfirst program of a conversation")
    figure.suptitle("What is known of a language before anybody has spoken?", y=0.99)
    below(figure, axis)


def below(figure: Figure, axis: Axes) -> None:
    """One legend for all, where no curve is."""
    handles, labels = axis.get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.legend(
        handles, labels, loc="lower center", ncols=min(len(labels), 8), frameon=False, fontsize=8
    )


def live(run: Run, cells: list[Cell], rung: str, who: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps, and bits on a rung in the live regime, mean over seeds."""
    curves = []
    for cell in cells:
        stream = world(run, cell.seed)
        assert isinstance(stream, Revised)
        table = stream.ladder(cell.probes.read(), who).filter(pl.col("view") == rung)
        now = [stream.lived(step) for step in table["step"].to_list()]
        curves.append(table.filter(pl.Series(now) == table["regime"]).sort("step"))
    return curves[0]["step"].to_numpy(), np.mean([c["bits"].to_numpy() for c in curves], axis=0)


def visit(run: Run, cells: list[Cell], kind: str, view: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps since a change came, and bits on a view of it, mean over the seeds that have it."""
    curves = []
    for cell in cells:
        stream = world(run, cell.seed)
        assert isinstance(stream, Revised)
        regime = 1 + [*stream.changes].index(kind)  # pyright: ignore[reportArgumentType] of a list of literals, any word may be asked
        begun = next(v for v in range(100) if stream.visited(v) == regime) * stream.period
        table = stream.ladder(cell.probes.read()).filter(
            (pl.col("view") == view)
            & (pl.col("regime") == regime)
            & pl.col("step").is_between(begun, begun + stream.period)
        )
        if len(table):
            curves.append(table.sort("step").with_columns(pl.col("step") - begun))
    if not curves:
        return np.empty(0), np.empty(0)
    return curves[0]["step"].to_numpy(), np.mean([c["bits"].to_numpy() for c in curves], axis=0)


def shade(axis: Axes, stream: Revised) -> None:
    """Grey where a change holds, and its name."""
    assert stream.steps
    for v in range(1, stream.steps // stream.period, 2):
        span = v * stream.period, (v + 1) * stream.period
        axis.axvspan(*span, color="0.93", zorder=0)
        name = stream.changes[stream.visited(v) - 1]
        axis.text(np.mean(span), 0.99, name, transform=axis.get_xaxis_transform(),
                  ha="center", va="top", fontsize=8, color="0.4")  # fmt: skip


def counts(run: Run) -> Iterator[tuple[str, float, int, int, bool]]:
    """(label, rate, era, anomalies until its mind changed, whether it did) of every cell that had a mind to change.

    Where it never did, the anomalies are all that came. Last comes exact Bayes, in the worlds of the first strategy.
    """
    groups = by_label(run)
    pairs = [(label, "switched", cell) for label, cells in groups.items() for cell in cells]
    pairs += [(BAYES, "ideal", cell) for cell in next(iter(groups.values()))]
    for label, number, cell in pairs:
        stream = world(run, cell.seed)
        assert isinstance(stream, Revolution)
        if cell.summary["world/held"] > 0:
            found = cell.summary[f"world/{number}"]
            changed = found is not None
            if not changed:
                found = int(stream.seen(probed(cell.probes.read()).at)[-1])
            yield label, stream.rate, stream.era, int(found), changed


def world(run: Run, seed: int) -> Stream:
    """The stream of a run under a seed."""
    return parsed(run.path / "experiment.yaml", []).stream.build(seed=seed)


if __name__ == "__main__":
    kind, folder, to = sys.argv[1:]
    kinds = {
        "einstein": einstein,
        "gravity": gravity,
        "ladder": ladder,
        "conversation": conversation,
    }
    kinds[kind](Run(Path(folder)))
    plt.savefig(to, dpi=110)
