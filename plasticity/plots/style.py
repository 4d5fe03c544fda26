"""Style: colours, dashes, and the context in which every picture is drawn.

Colours of strategies are after Okabe & Ito 2008, each at least 3:1 on light and on dark (WCAG 1.4.11); words are at
least 4.5:1 (WCAG 1.4.3). A strategy's colour follows from its label, so that it is the same on every page.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from zlib import crc32

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

LIGHT = {
    "ink": "#1c1c1c",
    "paper": "#ffffff",
    "soft": "#5f6368",
    "line": "#d5d5d5",
    "shade": "#f3f3f3",
}
DARK = {
    "ink": "#e8e8e8",
    "paper": "#16181c",
    "soft": "#a0a4ab",
    "line": "#3a3e46",
    "shade": "#1f2227",
}
"""What stylesheets call var(--ink) and so on. Pictures are drawn light; a page puts the variables in (`vector`)."""
INK, PAPER, SOFT, LINE, SHADE = LIGHT.values()
COLOURS = ("#0077bb", "#d55e00", "#009e73", "#b07aa1", "#b07d00", "#7570b3", "#d6336c", "#5f8a1e")
SALT = 14084
"""Before a label where its colour is chosen: with this number Frozen, Finetune, EWC, Replay, LoRA, LwF, DER and
SynapticIntelligence have eight different ones, so that pages with these agree whatever else they show."""
Pixels = int | float
Dash = tuple[Pixels, ...]
DASHES: tuple[Dash, ...] = ((), (9, 3), (2, 3), (9, 3, 2, 3), (14, 4))
"""Lengths on and off, in pixels; five against eight colours, so that forty lines differ, whatever an eye sees."""
HATCHES = ("", "///", "...", "xxx", "\\\\\\")
"""Of the bars of one strategy in several runs, in the order of the runs."""
READABLE = len(COLOURS) * len(DASHES)
"""Lines that differ: a picture of more has no legend."""
PIXELS = 72
"""An inch, in the units of an SVG."""
WIDTH = 480
"""Of a picture as wide as a page, in pixels."""
RC: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": LINE,
    "axes.facecolor": PAPER,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": SOFT,
    "axes.labelsize": 11,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11.5,
    "axes.unicode_minus": False,
    "figure.facecolor": PAPER,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11.5,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 1.2,
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "lines.scale_dashes": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "plasticity",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": LINE,
    "xtick.labelcolor": SOFT,
    "xtick.labelsize": 10.5,
    "ytick.color": LINE,
    "ytick.labelcolor": SOFT,
    "ytick.labelsize": 10.5,
}


class Look(NamedTuple):
    """How a line or a bar looks."""

    colour: str
    dash: Dash = ()
    width: Pixels = 1.8
    """Of the line, in pixels."""
    hatch: str = ""
    """Of the bar."""

    def line(self) -> dict[str, Any]:
        """As arguments of `Axes.plot`."""
        style = (0, self.dash) if self.dash else "-"
        return {"color": self.colour, "linestyle": style, "linewidth": self.width}


IDEALS = {
    "amnesic": Look(INK, (8, 5), 1.5),
    "continual": Look(INK, (2, 3), 1.5),
    "switching": Look(INK, (8, 3, 2, 3), 1.5),
    "informed": Look(INK, (), 2.5),
}
"""The exact observers."""
BASELINE = Look(SOFT, (4, 4), 1.2)


def looks(labels: Iterable[str]) -> dict[str, Look]:
    """Label -> how it is drawn. Its colour follows from its spelling; where two want one, the later takes the next.

    Args:
        labels: of strategies; an earlier one is drawn the same whatever comes after it.
    """
    found = dict[str, Look]()
    for nth, label in enumerate(dict.fromkeys(labels)):
        first = crc32(f"{SALT} {label}".encode())
        hues = [COLOURS[(first + k) % len(COLOURS)] for k in range(len(COLOURS))]
        taken = [look.colour for look in found.values()]
        hue = min(hues, key=taken.count)
        pairs = [(hue, DASHES[(nth + k) % len(DASHES)]) for k in range(len(DASHES))]
        used = [look[:2] for look in found.values()]
        found[label] = Look(*min(pairs, key=used.count))
    return found


@contextmanager
def style() -> Iterator[None]:
    """Our settings of matplotlib, while it lasts; `@style()` for the length of a call."""
    with rc_context(RC):
        yield


def blank(width: Pixels, height: Pixels) -> Axes:
    """Axes on a figure of their own, in pixels."""
    return panels(1, 1, width, height)[0][0]


@style()
def panels(rows: int, columns: int, width: Pixels, height: Pixels) -> list[list[Axes]]:
    """Axes in rows and columns on one figure.

    Args:
        rows: how many.
        columns: how many.
        width: of each, in pixels.
        height: of each, in pixels.
    """
    size = columns * width / PIXELS, rows * height / PIXELS
    figure = Figure(figsize=size, layout="constrained")
    return figure.subplots(rows, columns, squeeze=False).tolist()


def figure_of(ax: Axes) -> Figure:
    """The whole figure that some axes are on."""
    figure = ax.get_figure(root=True)
    assert figure is not None, "axes without a figure"
    return figure


def key_height(labels: Iterable[str], width: Pixels) -> Pixels:
    """How high a legend of these is below axes of this width, in pixels."""
    shown = [*labels]
    if len(shown) > READABLE:
        return 0
    return 17 * -(-len(shown) // _columns(shown, 0.6 * width)) if shown else 0


def _columns(labels: Sequence[str], width: Pixels) -> int:
    return int(max(1, min(len(labels), width // (46 + 6.4 * max(map(len, labels))))))


def _cut(label: str, width: Pixels) -> str:
    """A label that a legend of this width has room for; its end stays, in which those that begin alike differ."""
    most = max(24, int((width - 46) / 6.4))
    return label if len(label) <= most else f"{label[: most - 13]}…{label[-12:]}"


def key(ax: Axes, drawn: Mapping[str, Artist], below: Pixels = 36) -> None:
    """A legend below the axes, in as many columns as fit; none of more than READABLE, which no eye tells apart.

    Args:
        ax: the axes.
        drawn: label -> what it stands for.
        below: how far, in pixels.
    """
    if not 0 < len(drawn) <= READABLE:
        return
    wide = ax.get_position().width * figure_of(ax).get_figwidth() * PIXELS
    labels = [_cut(label, wide) for label in drawn]
    ax.legend(
        [*drawn.values()],
        labels,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=offset_copy(ax.transAxes, figure_of(ax), y=-below / PIXELS),
        ncols=_columns(labels, wide),
        borderaxespad=0,
        columnspacing=1.4,
    )
