"""A picture says what its numbers say: places are linear in them, and the data inside are they."""

from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from scipy import stats

from plasticity.plots.heat_maps import Heat, heats
from plasticity.plots.pictures import BASELINE, Curve, Span, bars, chart, legend, lines, strategy


def parsed(drawn: str) -> tuple[ElementTree.Element, pl.DataFrame]:
    root = ElementTree.fromstring(drawn)
    kept = root.find("metadata")
    assert kept is not None and kept.text is not None
    return root, pl.read_csv(kept.text.encode())


def test_bars_are_as_long_as_their_means_and_whiskers_as_their_intervals() -> None:
    values = {"low": [0.1, 0.2, 0.3], "high": [0.6, 0.7, 0.5]}
    root, data = parsed(bars(values))
    zero, one = (float(m.get("x1", "")) for m in root.findall("line[@class='mark']"))
    high, low = (float(r.get("width", "")) / (one - zero) for r in root.findall("rect"))
    assert (high, low) == pytest.approx((0.6, 0.2), abs=1e-3)  # the best first
    whisker = root.findall("line[@class='whisker']")[0]
    reach = (float(whisker.get("x2", "")) - float(whisker.get("x1", ""))) / (one - zero)
    ends = stats.t.interval(0.95, 2, loc=0.6, scale=stats.sem(values["high"]))
    assert reach == pytest.approx(ends[1] - ends[0], abs=1e-3)
    assert data["skill"].to_list() == [0.1, 0.2, 0.3, 0.6, 0.7, 0.5]
    assert root.get("aria-label") == "skill: low 0.20±0.25; high 0.60±0.25"


def test_bars_without_numbers_say_so() -> None:
    assert "Undefined" in bars({"none": []})
    assert "not paired" in bars({"none": [], "some": [0.5]}, missing="not paired")


def test_lines_go_through_their_points() -> None:
    curve = Curve([0.0, 5.0, 10.0], [0.0, 1.0, float("nan")], strategy(1))
    spans = [Span(0, 5, "A"), Span(5, 10, "B")]
    root, data = parsed(
        chart({"EWC": curve, "other": curve._replace(look=BASELINE)}, "step", "bits", spans)
    )
    first = root.findall("polyline")[0]
    points = [tuple(map(float, p.split(","))) for p in first.get("points", "").split()]
    assert len(points) == 2  # what is no number has no place
    shade = root.findall("rect[@class='shade']")
    assert len(shade) == 1 and float(shade[0].get("width", "")) == pytest.approx(
        points[1][0] - points[0][0], abs=0.2
    )
    assert first.get("stroke-dasharray") == strategy(1)["stroke_dasharray"]
    assert data.filter(pl.col("title") == "EWC")["step"].to_list() == [0.0, 5.0, 10.0]


def test_a_logarithmic_scale_has_equal_steps_for_equal_ratios() -> None:
    root, _ = parsed(lines({"a": ([1.0, 0.1, 0.01], False)}, [0.0, 1.0, 2.0]))
    line = root.find("polyline")
    assert line is not None
    ys = [float(p.split(",")[1]) for p in line.get("points", "").split()]
    assert ys[1] - ys[0] == pytest.approx(ys[2] - ys[1], abs=0.2)


def test_a_heat_map_keeps_its_bits_and_its_holes() -> None:
    bits = np.array([[0.5, np.nan], [0.25, 1.0]])
    text = heats({"EWC": Heat(np.array([0, 10]), np.array([0, 1]), bits)}, {"EWC": "over it"})
    assert "over it" in text and "1.00 bits" in text
    root, data = parsed(text[text.index("<svg") : text.index("</svg>") + 6])
    fills = [rect.get("fill") for rect in root.findall("rect")]
    assert fills[2] == "none" and fills[3] == "#221150"
    assert data.filter(pl.col("regime") == "A")["bits"].to_list() == [0.5, 0.25]


def test_many_regimes_make_no_larger_picture() -> None:
    heat = Heat(np.arange(500), np.arange(50), np.ones((500, 50)))
    text = heats({f"Strategy{i}": heat for i in range(8)})
    assert text.count("<rect") <= 8000


def test_a_legend_shows_dashes() -> None:
    assert "stroke-dasharray" in legend(["solid", "dashed"])
