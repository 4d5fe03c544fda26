"""Worlds: pictures of what only one kind of world asks, from numbers that its stream has taken out of a run."""

from collections.abc import Mapping, Sequence

import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from plasticity.plots.lines import Curve, Span, curves, numbered
from plasticity.plots.style import INK, SOFT, Look, blank, key, looks, style

BAYES = "exact Bayes"
PANEL = (420, 330)
"""Of a picture on its own, in pixels."""


@style()
def law_odds(
    drawn: Mapping[str, Curve],
    asked: str,
    title: str = "",
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Log odds of a revised law against the old one, by the anomalies seen; above 0 the mind has changed.

    Args:
        drawn: who -> bits for the new law less bits for the old one, over 1 + anomalies seen.
        asked: of which inputs.
        title: what the laws are.
        legend: whether to say below which line is whose.
        ax: where; None: on a figure of its own.
    """
    up = f"{asked}:\nbits for the new law (above 0)\nor for the old one (below)"
    ax = curves(drawn, "1 + anomalies seen", up, legend=legend, size=PANEL, ax=ax)
    values = [float(v) for curve in drawn.values() for v in curve.y]
    low, high = min([0.0, *values]), max([0.0, *values])
    ax.set_ylim(low - 0.05 * (high - low) - 1e-9, high + 0.05 * (high - low) + 1e-9)
    ax.set_xscale("log")
    numbered(ax.xaxis)
    ax.axhline(0, color=SOFT, linewidth=1)
    ax.set_title(title)
    return ax


@style()
def anomalies_needed(
    table: pl.DataFrame, varied: str, along: str, legend: bool = True, ax: Axes | None = None
) -> Axes:
    """Anomalies until a mind changes: a dot per seed, hollow where it never did, of so many; the line is the median.

    Args:
        table: columns label, `varied`, count, changed; one row per seed.
        varied: the column along x.
        along: what it is, with its unit.
        legend: whether to say below which line is whose.
        ax: where; None: on a figure of its own.
    """
    labels = table["label"].unique(maintain_order=True).to_list()
    drawn = looks(label for label in labels if label != BAYES)
    drawn[BAYES] = Look(INK, (8, 5))
    ax, handles = ax or blank(*PANEL), dict[str, Artist]()
    for nth, label in enumerate(labels):
        mine, look = table.filter(pl.col("label") == label).sort(varied), drawn[label]
        aside = 1.06 ** (nth - len(labels) / 2)  # so that dots lie side by side
        for (changed,), dots in mine.group_by("changed"):
            face = look.colour if changed else "none"
            marks = {"marker": "o", "linestyle": "", "markersize": 5, "alpha": 0.6}
            places = dots[varied].to_numpy() * aside, dots["count"].to_numpy()
            ax.plot(*places, markerfacecolor=face, color=look.colour, **marks)
        line = mine.group_by(varied, maintain_order=True).agg(pl.col("count").median())
        places = line[varied].to_numpy() * aside, line["count"].to_numpy()
        (handles[label],) = ax.plot(*places, **look.line())
    ticks = table[varied].unique().sort().to_list()
    ax.set_xscale("log")
    ax.set_yscale("log")
    for axis in (ax.xaxis, ax.yaxis):
        numbered(axis)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xlabel(along)
    ax.set_ylabel("anomalies until the mind changes\n(hollow: never, of so many)")
    if legend:
        key(ax, handles)
    ax.set_label(f"anomalies until the mind changes over {along}, of {', '.join(labels)}")
    return ax


@style()
def ladder_rung(
    drawn: Mapping[str, Curve],
    along: str,
    up: str,
    title: str = "",
    spans: Sequence[Span] = (),
    margin: tuple[float, str] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Bits from the truth on one rung of the causal ladder, with the changes behind it.

    Args:
        drawn: who -> bits.
        along: what x is, with its unit.
        up: what y is, with its unit.
        title: what is asked.
        spans: where changes hold, with their names.
        margin: a level to mark, in bits, and its name.
        legend: whether to say below which line is whose.
        ax: where; None: on a figure of its own.
    """
    ax = curves(drawn, along, up, spans, legend=legend, size=PANEL, ax=ax)
    if margin:
        level, words = margin
        ax.axhline(level, color=SOFT, linewidth=1, linestyle=(0, (1, 2)))
        place = {"xycoords": ("axes fraction", "data"), "xytext": (4, 3)}
        ax.annotate(words, (0, level), **place, textcoords="offset points", color=SOFT, size=9.5)
        ax.set_ylim(top=max(ax.get_ylim()[1], 1.1 * level))
    ax.set_ylim(bottom=0)
    ax.set_title(title)
    return ax


@style()
def conversation_start(
    drawn: Mapping[str, Curve],
    spans: Sequence[Span] = (),
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """What is known of a language before anybody has spoken: bits on the first program of a conversation.

    Args:
        drawn: who -> bits from the truth per token.
        spans: of the dialects.
        legend: whether to say below which line is whose.
        ax: where; None: on a figure of its own.
    """
    up = "bits from the truth per token,\nfirst program of a conversation"
    ax = curves(drawn, "step", up, spans, legend=legend, size=(760, 380), ax=ax)
    ax.set_ylim(bottom=0)
    return ax
