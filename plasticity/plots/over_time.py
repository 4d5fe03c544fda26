"""Bits over time: of every strategy and of the ideals, averaged over seeds, with the regimes behind them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float
from matplotlib.axes import Axes

from plasticity.metrics.visits import visits
from plasticity.plots.letters import letter
from plasticity.plots.lines import Curve, Span, averaged, curves
from plasticity.plots.style import IDEALS, SHADE, WIDTH, Look, blank, key_height, looks, style

POINTS = 400
"""Windows of a curve, at most."""
OBSERVERS = ("amnesic", "continual")
"""Those that are drawn; the informed one is at 0."""
COLUMNS = ["step", "regime", "shift", *(f"kl/{who}" for who in ("model", *OBSERVERS))]
"""Of a step table, what is needed."""
UP = "bits per position"
RIBBON, MOST = 15, 8
"""Height of a seed's ribbon of regimes, in pixels; ribbons, at most."""


class OverTime(NamedTuple):
    """What is drawn of a run."""

    curves: dict[str, Curve]
    """Title -> KL(informed || who) in bits per asked position over steps; the strategies, then the observers."""
    spans: list[Span]
    """Of the regimes, if all seeds agree on them."""
    ribbons: dict[str, list[Span]]
    """Seed -> its regimes, if seeds do not."""

    @property
    def data(self) -> pl.DataFrame:
        """One row per point: title, step, bits, low, high."""
        nothing = np.array([])
        rows = [
            {"title": t, "step": x, "value": y, "low": y - h, "high": y + h}
            for t, c in self.curves.items()
            for x, y, h in zip(c.x, c.y, np.full(len(c.y), np.nan) if c.half is None else c.half, strict=True)
        ]  # fmt: skip
        schema = ("title", "step", "value", "low", "high")
        return pl.DataFrame(rows) if rows else pl.DataFrame(dict.fromkeys(schema, nothing))


def windowed(
    tables: Mapping[str, Mapping[int, pl.DataFrame]], drawn: Mapping[str, Look] | None = None
) -> OverTime:
    """Means over windows and then over seeds, with intervals; and the regimes.

    Regimes are behind the curves only where every seed meets the same ones at the same steps. Hidden shifts differ from
    seed to seed: then each seed has a ribbon of its own.

    Args:
        tables: label -> seed -> its step table, with at least `COLUMNS`.
        drawn: label -> its look.
    """
    drawn = drawn or looks(tables)
    full = {label: kept for label, each in tables.items() if (kept := _scored(each))}
    if not full:
        return OverTime({}, [], {})
    longest = max(full.values(), key=lambda each: max(map(len, each.values())))
    steps = max(int(table["step"].to_numpy()[-1]) + 1 for table in longest.values())
    width = -(-steps // POINTS)
    found = {
        label: _windows([*each.values()], "model", width, drawn[label])
        for label, each in full.items()
    }
    found |= {who: _windows([*longest.values()], who, width, IDEALS[who]) for who in OBSERVERS}
    return OverTime(found, *_regimes(full))


@style()
def bits_over_time(drawn: OverTime, ax: Axes | None = None) -> Axes:
    """Lines with their intervals; regimes as shades if all seeds agree on them, else as a ribbon per seed.

    Args:
        drawn: of `windowed`.
        ax: where; None: on a figure of its own.
    """
    names = max(key_height(drawn.curves, WIDTH) - 40, 0)
    ax = ax or blank(WIDTH, 290 + RIBBON * len(drawn.ribbons) + names)
    curves(drawn.curves, "stream step", UP, drawn.spans, ax=ax)
    if drawn.ribbons:
        ribbons(ax, drawn.ribbons)
    return ax


def plotted(drawn: OverTime) -> dict[str, Any]:
    """The same as JSON, for the plot that can be zoomed; null: undefined, or in the ink of the page."""
    series = []
    for title, curve in drawn.curves.items():
        look = curve.look or IDEALS["informed"]
        one = {
            "name": title,
            "colour": None if title in IDEALS and look == IDEALS[title] else look.colour,
            "dash": [*look.dash] or None,
            "width": look.width,
            "x": np.round(curve.x, 1).tolist(),
            "y": _finite(curve.y),
        }
        if curve.half is not None:
            one |= {"low": _finite(curve.y - curve.half), "high": _finite(curve.y + curve.half)}
        series.append(one)
    ribbons = [{"name": name, "spans": _plain(spans)} for name, spans in drawn.ribbons.items()]
    return {"series": series, "spans": _plain(drawn.spans), "ribbons": ribbons}


def _scored(each: Mapping[int, pl.DataFrame]) -> dict[int, pl.DataFrame]:
    return {seed: table for seed, table in each.items() if len(table)}


def _windows(tables: Sequence[pl.DataFrame], who: str, width: int, look: Look) -> Curve:
    """KL over windows of `width` steps; x is the mean step of a window."""
    steps = np.concatenate([t["step"].to_numpy() for t in tables]).astype(float)
    windows, place = np.unique(steps // width, return_inverse=True)
    x = np.bincount(place, steps) / np.bincount(place)
    return averaged(x, [_means(t, who, width, windows) for t in tables], look)


def _means(
    table: pl.DataFrame, who: str, width: int, windows: Float[np.ndarray, " windows"]
) -> Float[np.ndarray, " windows"]:
    """Of one seed, in each window; NaN where it has no step."""
    place = np.searchsorted(windows, table["step"].to_numpy() // width)
    sums = np.bincount(place, table[f"kl/{who}"].to_numpy(), len(windows))
    count = np.bincount(place, minlength=len(windows))
    return np.divide(sums, count, out=np.full(len(windows), np.nan), where=count > 0)


def _regimes(
    full: Mapping[str, Mapping[int, pl.DataFrame]],
) -> tuple[list[Span], dict[str, list[Span]]]:
    """(what all agree on, what each seed meets); one of them is empty. A schedule may heed the learner, too."""
    met = {label: {s: spans(t) for s, t in each.items()} for label, each in full.items()}
    if shared := _agreed([spans for each in met.values() for spans in each.values()]):
        return shared, {}
    ribbons = dict[str, list[Span]]()
    for seed in sorted({seed for each in met.values() for seed in each}):
        mine = {label: each[seed] for label, each in met.items() if seed in each}
        if shared := _agreed([*mine.values()]):
            ribbons[f"seed {seed}"] = shared
        else:
            ribbons |= {f"{label}, seed {seed}": spans for label, spans in mine.items()}
    return [], dict([*ribbons.items()][:MOST])


def _agreed(each: Sequence[list[Span]]) -> list[Span]:
    """The longest, if all others are how it begins; else none."""
    longest = max(each, key=lambda spans: spans[-1].stop)
    for spans in each:
        stop = spans[-1].stop
        begin = [s._replace(stop=min(s.stop, stop)) for s in longest if s.start < stop]
        if begin != spans:
            return []
    return longest


def spans(table: pl.DataFrame) -> list[Span]:
    """The visits of a step table, with the letters of their regimes."""
    return [Span(v.start, v.stop, letter(v.regime)) for v in visits(table)]


def ribbons(ax: Axes, each: Mapping[str, Sequence[Span]]) -> None:
    """Regimes above what is drawn, a ribbon for each title, one below the other."""
    high = RIBBON * len(each) / 200
    above = ax.inset_axes((0, 1.01, 1, high), sharex=ax)
    above.set_ylim(len(each), 0)
    for row, spans in enumerate(each.values()):
        first, last = ax.get_xlim()
        for nth, span in enumerate(spans):
            a, b = max(span.start, first), min(span.stop, last)
            if b <= a:
                continue
            shade = SHADE if nth % 2 == 0 else "none"
            above.broken_barh([(a, b - a)], (row + 0.06, 0.88), facecolor=shade, edgecolor="none")
            if b - a > 0.015 * (last - first):
                above.annotate(
                    span.letter, ((a + b) / 2, row + 0.5), size=9, ha="center", va="center"
                )
    above.set_yticks(np.arange(len(each)) + 0.5, [*each])
    above.tick_params(left=False, bottom=False, labelbottom=False, labelsize=9.5)
    above.spines[:].set_visible(False)
    above.grid(False)


def _finite(values: Float[np.ndarray, " n"]) -> list[float | None]:
    return [round(v, 5) if np.isfinite(v) else None for v in values.tolist()]


def _plain(spans: Sequence[Span]) -> list[dict[str, int | str]]:
    return [{"from": s.start, "to": s.stop, "letter": s.letter} for s in spans]
