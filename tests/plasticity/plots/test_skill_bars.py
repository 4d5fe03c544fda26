"""Bars say what their numbers say, and mark what lies beyond their scale."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.patches import Rectangle
from scipy import stats

from plasticity.plots import bars

LOST = [-8.10, 1.20, 0.33]
"""Mean -2.19, interval 12.76: what was once cut off at -1.6 without a word."""
DOT, ARROW = 17, 52


def widths(ax: Axes) -> list[float]:
    return [p.get_width() for p in ax.patches if isinstance(p, Rectangle)]


def words(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def places(ax: Axes, size: int) -> list[list[float]]:
    """Of the dots, or of the arrows."""
    found = [c for c in ax.collections if isinstance(c, PathCollection)]
    return [
        p for c in found if c.get_sizes()[0] == size for p in np.asarray(c.get_offsets()).tolist()
    ]


def test_bars_are_as_long_as_their_means_and_whiskers_as_their_intervals() -> None:
    values = {"low": [0.1, 0.2, 0.3], "high": [0.6, 0.7, 0.5]}
    ax = bars(values)
    assert isinstance(ax, Axes)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["high", "low"]  # the best first
    assert widths(ax) == pytest.approx([0.6, 0.2])
    whisker = next(line for line in ax.lines if line.get_color() == "#1c1c1c")
    ends = stats.t.interval(0.95, 2, loc=0.6, scale=stats.sem(values["high"]))
    assert np.asarray(whisker.get_xdata()) == pytest.approx(ends)
    assert sorted(x for x, _ in places(ax, DOT)) == pytest.approx([0.1, 0.2, 0.3, 0.5, 0.6, 0.7])
    assert {"0.60 ± 0.25", "0.20 ± 0.25"} <= {*words(ax)}
    assert str(ax.get_label()).endswith("high 0.60±0.25; low 0.20±0.25")
    assert "share" in ax.get_xlabel(), "the unit"


def test_the_dots_of_seeds_do_not_coincide() -> None:
    """Not even where their numbers do."""
    found = places(bars({"EWC": [0.5, 0.5, 0.5]}), DOT)
    assert len({y for _, y in found}) == 3
    assert all(abs(y) < 0.26 for _, y in found), "within the bar"


def test_what_lies_beyond_the_scale_is_marked_with_its_number() -> None:
    ax = bars({"Lost": LOST, "EWC": [0.5, 0.6, 0.4]})
    low, high = ax.get_xlim()
    assert low > -2, "the others can still be read"
    row = [t.get_text() for t in ax.get_yticklabels()].index("Lost")
    assert sorted(places(ax, ARROW)) == [[low, row], [high, row]]
    assert "mean -2.19; seed at -8.10" in words(ax)
    assert "-2.19 ± 12.76" in words(ax)
    inside = [x for x, y in places(ax, DOT) if abs(y - row) < 0.3]
    assert sorted(inside) == pytest.approx([0.33, 1.20])


def test_nothing_is_marked_that_is_within_the_scale() -> None:
    ax = bars({"EWC": [0.5, 0.6, 0.4]})
    assert not places(ax, ARROW) and not any("seed" in text for text in words(ax))


def test_many_clipped_seeds_are_counted() -> None:
    ax = bars({"Lost": [-9.0, -8.0, -7.0, -6.0, -5.0, -4.0]})
    assert "mean -6.50; seeds at -9.00, -8.00, -7.00, -6.00 and 2 more" in words(ax)


def test_bars_without_numbers_say_so() -> None:
    assert "undefined" in words(bars({"none": []}))
    assert "not paired" in words(bars({"none": [], "some": [0.5]}, missing="not paired"))


def test_no_zero_has_a_sign() -> None:
    assert "0.00" in words(bars({"EWC": [-0.001]}))


def test_drawn_where_it_is_told(axes: Axes) -> None:
    assert bars({"EWC": [0.5]}, ax=axes) is axes
