"""Proposals: bits over the number of draws, both on logarithmic scales."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from plasticity.plots.lines import Curve, curves
from plasticity.plots.style import SOFT, style


@style()
def bits_by_draws(
    drawn: Mapping[str, Curve],
    up: str,
    level: tuple[float, str] | None = None,
    log: bool = True,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """What is lost, over the number of hypotheses that were drawn (base 2).

    Args:
        drawn: proposal -> curve over draws, which are above 0.
        up: what y is, with its unit.
        level: a value of y to mark, and its name.
        log: whether y is logarithmic, on which all below 0.0001 is at the bottom.
        legend: whether to say below which line is whose.
        ax: where; None: on a figure of its own.
    """
    ax = curves(drawn, "hypotheses drawn", up, log=log, legend=legend, size=(480, 320), ax=ax)
    ax.set_xscale("log", base=2)
    last = max(float(curve.x.max()) for curve in drawn.values())
    first = min(float(curve.x.min()) for curve in drawn.values())
    ticks = [float(4**k) for k in range(40) if first <= 4**k <= last]
    ax.set_xticks(ticks, [_short(tick) for tick in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    if level:
        height, words = level
        ax.axhline(height, color=SOFT, linewidth=1, linestyle=(0, (1, 2)))
        place = {"xycoords": ("axes fraction", "data"), "ha": "left", "va": "bottom"}
        ax.annotate(words, (0.01, height), **place, color=SOFT, size=9.5)
    return ax


def _short(number: float) -> str:
    """In thousands and millions, as powers of two have them.

    >>> _short(256.0), _short(4096.0), _short(2.0**22)
    ('256', '4k', '4M')
    """
    for size, letter in ((1 << 20, "M"), (1 << 10, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"
