"""Over time: bits of every strategy and of the ideals, in windows, as a picture that moves and as one that is still."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from plasticity.metrics.visits import visits
from plasticity.plots.pictures import IDEALS, Curve, Span, chart, letter, strategy
from plasticity.results.store import Cell

POINTS = 400
"""Windows of a curve, at most."""
DRAWN = ("amnesic", "continual")
"""The observers that are drawn; the informed one is at 0."""


class Series(NamedTuple):
    """What is drawn of a run."""

    curves: dict[str, Curve]
    """Title -> bits per asked position over steps; the strategies, then the observers."""
    spans: list[Span]


def series(groups: Mapping[str, Sequence[Cell]]) -> Series:
    """Windowed means over time, over seeds: of every strategy and of the two ideals; and the spans of the regimes.

    Args:
        groups: label -> its cells, one per seed.
    """
    columns = ["step", "regime", "shift", *(f"kl/{who}" for who in ("model", *DRAWN))]
    read = {label: [c.steps.read(columns) for c in cells] for label, cells in groups.items()}
    tables = {
        label: scored for label, each in read.items() if (scored := [t for t in each if len(t)])
    }
    if not tables:
        return Series({}, [])
    longest = max(tables.values(), key=lambda group: len(group[0]))
    width = -(-(int(longest[0]["step"].to_numpy()[-1]) + 1) // POINTS)
    curves = {
        label: _windows(group, "model", width, strategy([*groups].index(label)))
        for label, group in tables.items()
    }
    curves |= {who: _windows(longest, who, width, IDEALS[who]) for who in DRAWN}
    return Series(curves, [Span(v.start, v.stop, letter(v.regime)) for v in visits(longest[0])])


def still(drawn: Series) -> str:
    """As a picture."""
    if not drawn.curves:
        return "<p>Nothing was scored yet.</p>"
    return chart(
        drawn.curves, "step", "bits over time", drawn.spans, (800, 330), up="bits per position"
    )


def plotted(drawn: Series) -> dict[str, Any]:
    """What report.js draws."""
    found = [
        {
            "name": title,
            "colour": curve.look.get("stroke"),
            "dash": dash and [int(n) for n in str(dash).split()],
            "width": 2 if "stroke" in curve.look else 1.5,
            "x": curve.x,
            "y": curve.y,
        }
        for title, curve in drawn.curves.items()
        for dash in [curve.look.get("stroke_dasharray")]
    ]
    spans = [{"from": s.start, "to": s.stop, "letter": s.letter} for s in drawn.spans]
    return {"series": found, "spans": spans}


def _windows(
    tables: Sequence[pl.DataFrame], who: str, width: int, look: Mapping[str, object]
) -> Curve:
    """Mean of KL over windows of `width` steps and over seeds; x is the mean step of a window, y bits."""
    both = pl.concat([t.select("step", pl.col(f"kl/{who}").alias("kl")) for t in tables])
    window = (pl.col("step") // width).alias("window")
    means = both.group_by(window).agg(pl.col("kl").mean(), pl.col("step").mean()).sort("window")
    return Curve(means["step"].round(1).to_list(), means["kl"].round(5).to_list(), look)
