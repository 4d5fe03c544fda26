"""Heat maps as SVG: bits on every regime's probe over time."""

import html
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from plasticity.plots.pictures import letter
from plasticity.plots.svg import picture, tag, text

CELLS = 8000
"""Cells of all heat maps of a page together, about: what bounds its size."""
SEQUENTIAL = ["#fcfdbf", "#febb81", "#f8765c", "#d3436e", "#982d80", "#5f187f", "#221150"]
"""Magma, light to dark: few bits to many."""


class Heat(NamedTuple):
    """Bits on every regime's probe."""

    steps: Int[np.ndarray, " checkpoints"]
    regimes: Int[np.ndarray, " regimes"]
    bits: Float[np.ndarray, "checkpoints regimes"]


def heats(maps: Mapping[str, Heat], captions: Mapping[str, str] | None = None) -> str:
    """One heat map per strategy, on one scale, which is drawn below them.

    Args:
        maps: title -> what to draw.
        captions: title -> what to write over it, in place of the title.
    """
    if not maps:
        return "<p>Nothing was probed yet.</p>"
    top = max(float(np.nanmax(heat.bits)) for heat in maps.values())
    rows = sum(len(heat.regimes) for heat in maps.values())
    columns = min(80, max(2, CELLS // rows))
    figures = [
        f"<figure><figcaption>{html.escape((captions or {}).get(title, title))}</figcaption>"
        f"{_heat(title, heat, top, columns)}</figure>"
        for title, heat in maps.items()
    ]
    stops = "".join(f"<i style='background:{shade}'></i>" for shade in SEQUENTIAL)
    return f"<div class=heats>{''.join(figures)}</div><p class=scale>0 {stops} {top:.2f} bits</p>"


def _heat(title: str, heat: Heat, top: float, columns: int) -> str:
    keep = np.unique(np.linspace(0, len(heat.steps) - 1, columns).round().astype(int))
    steps, bits = heat.steps[keep].tolist(), heat.bits[keep]
    names = [letter(regime) for regime in heat.regimes.tolist()]
    cell, high, left = 400 / len(steps), 22, 16 + 10 * max(map(len, names))
    out, rows = [], []
    for r, name in enumerate(names):
        out.append(text(left - 8, high * r + 16, name, "end", None))
        for c, step in enumerate(steps):
            value = float(bits[c, r])
            box = {"x": left + c * cell, "y": high * r, "width": cell + 0.3, "height": high - 2}
            told = tag("title", f"{name} at step {step}: {value:.3f} bits")
            out.append(tag("rect", told, fill=_shade(value / top if top else 0), **box))
            rows.append((name, step, round(value, 6)))
    out.append(text(left, high * len(names) + 14, f"step {steps[0]}"))
    out.append(text(left + 400, high * len(names) + 14, f"step {steps[-1]}", "end"))
    ends = "; ".join(f"{n} {bits[-1, r]:.3f} bits" for r, n in enumerate(names))
    data = pl.DataFrame(rows, ["regime", "step", "bits"], orient="row")
    label = f"what {title} knows at the end: {ends}"
    return picture(f"probes {title}", label, (left + 404, high * len(names) + 20), out, data)


def _shade(share: float) -> str:
    """Of a share of the scale, between its stops."""
    if np.isnan(share):
        return "none"
    place = float(np.clip(share, 0, 1)) * (len(SEQUENTIAL) - 1)
    i = min(int(place), len(SEQUENTIAL) - 2)
    one, two = (np.array([int(c[k : k + 2], 16) for k in (1, 3, 5)]) for c in SEQUENTIAL[i : i + 2])
    mixed = (one + (two - one) * (place - i)).round().astype(int)
    return "#" + "".join(f"{v:02x}" for v in mixed)
