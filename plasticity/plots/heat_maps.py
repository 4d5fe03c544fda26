"""Heat maps: bits on every regime's probe over time."""

from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from plasticity.plots.letters import letter
from plasticity.plots.style import INK, blank, style

COLUMNS = 400
"""Checkpoints that are drawn, at most: evenly spread."""
MAGMA = ["#fcfdbf", "#febb81", "#f8765c", "#d3436e", "#982d80", "#5f187f", "#221150"]
"""Light to dark: few bits to many."""
SEQUENTIAL = LinearSegmentedColormap.from_list("bits", MAGMA)


class Heat(NamedTuple):
    """Bits on every regime's probe."""

    steps: Int[np.ndarray, " checkpoints"]
    regimes: Int[np.ndarray, " regimes"]
    bits: Float[np.ndarray, "checkpoints regimes"]
    """NaN: not probed."""

    @property
    def data(self) -> pl.DataFrame:
        """One row per regime and checkpoint: regime, step, bits."""
        return pl.DataFrame(
            {
                "regime": [letter(r) for r in self.regimes.tolist() for _ in self.steps],
                "step": np.tile(self.steps, len(self.regimes)),
                "bits": self.bits.T.reshape(-1),
            }
        )

    def thinned(self) -> "Heat":
        """Those of its checkpoints that are drawn: at most `COLUMNS`, evenly spread, the first and the last."""
        keep = np.unique(np.linspace(0, len(self.steps) - 1, COLUMNS).round().astype(int))
        return Heat(self.steps[keep], self.regimes, self.bits[keep])


@style()
def heat_map(heat: Heat, top: float | None = None, title: str = "", ax: Axes | None = None) -> Axes:
    """A row per regime, a column per checkpoint, on a scale from 0 bits that is drawn beside it.

    Args:
        heat: what to draw.
        top: the most bits of the scale; None: of this map.
        title: written over it.
        ax: where; None: on a figure of its own.
    """
    steps, _, bits = heat.thinned()
    finite = bits[np.isfinite(bits)]
    top = top or float(finite.max(initial=0.0)) or 1.0
    names = [letter(regime) for regime in heat.regimes.tolist()]
    ax = ax or blank(360, 96 + min(22 * len(names), 320))
    shown = np.where(np.isfinite(bits), bits, np.nan).T
    image = ax.imshow(
        shown,
        cmap=SEQUENTIAL,
        vmin=0,
        vmax=top,
        aspect="auto",
        interpolation="none",
        extent=(-0.5, len(steps) - 0.5, len(names) - 0.5, -0.5),
    )
    every = -(-len(names) // 14)
    ax.set_yticks(range(0, len(names), every), names[::every])
    ax.tick_params(length=0, axis="y", labelcolor=INK)
    apart = max(1, -(-(len(steps) - 1) // 4))  # five at most, evenly spread
    marks = np.arange(0, len(steps), apart)
    ax.set_xticks(marks, [str(step) for step in steps[marks].tolist()])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("step")
    ax.set_ylabel("regime")
    ax.set_title(title, loc="left")
    scale = ax.figure.colorbar(image, ax=ax, fraction=0.06, pad=0.02)
    scale.outline.set_visible(False)  # pyright: ignore[reportCallIssue] a Spine, whatever its stub says
    scale.set_label("bits per position")
    ends = "; ".join(f"{n} {b:.3f} bits" for n, b in zip(names, bits[-1].tolist(), strict=True))
    ax.set_label(f"{title or 'probes'}: bits on the probe of every regime at the end: {ends}")
    return ax
