"""Lines go through their points, bands are Student's intervals, and regimes are shaded where all seeds agree."""

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Rectangle
from scipy import stats

from plasticity import Stream
from plasticity.plots import Curve, Span, averaged, bits_over_time, curves, looks, windowed
from plasticity.plots.over_time import COLUMNS, plotted
from streams import Hazard, Markov, Recurring


def shades(ax: Axes) -> list[tuple[float, float]]:
    """Ends of what is shaded."""
    found = [p for p in ax.patches if isinstance(p, Rectangle) and p.get_zorder() == 0]
    return [(p.get_x(), p.get_x() + p.get_width()) for p in found]


def band(ax: Axes) -> tuple[list[float], list[float]]:
    """Ends of the only band at each point."""
    (found,) = [c for c in ax.collections if isinstance(c, PolyCollection)]
    x, y = np.asarray(found.get_paths()[0].vertices).T
    each = [y[x == place] for place in np.unique(x)]
    return [float(e.min()) for e in each], [float(e.max()) for e in each]


def met(stream: Stream, seed: int, steps: int) -> pl.DataFrame:
    """A step table with the regimes of a stream, and made-up bits."""
    live = np.array([stream.live(step)[0] for step in range(steps)])
    shift = np.concatenate([[False], live[1:] != live[:-1]])
    rng = np.random.default_rng(seed)
    kl = {name: rng.random(steps) for name in COLUMNS if name.startswith("kl/")}
    return pl.DataFrame({"step": np.arange(steps), "regime": live, "shift": shift, **kl})


def hidden(seed: int, steps: int = 60) -> pl.DataFrame:
    return met(Hazard([Markov(3)], hazard=0.1, steps=steps, seed=seed), seed, steps)


def recurring(seed: int, steps: int = 60) -> pl.DataFrame:
    return met(Recurring([Markov(3)], regimes=3, period=10, steps=steps, seed=seed), seed, steps)


def test_lines_go_through_their_points() -> None:
    x, y = np.array([0.0, 5.0, 10.0]), np.array([0.0, 1.0, np.nan])
    look = looks(["EWC"])["EWC"]._replace(dash=(9, 3))
    spans = [Span(0, 5, "A"), Span(5, 10, "B")]
    ax = curves({"EWC": Curve(x, y, None, look)}, "step", "bits", spans)
    (line,) = ax.lines
    np.testing.assert_array_equal(np.asarray(line.get_xydata()), np.stack([x, y], 1))
    assert line.get_color() == look.colour and line.is_dashed()
    assert shades(ax) == [(0, 5)]
    assert [t.get_text() for t in ax.texts] == ["A", "B"]
    legend = ax.get_legend()
    assert legend is not None and [t.get_text() for t in legend.get_texts()] == ["EWC"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "bits")
    assert "EWC ends at 1" in str(ax.get_label())


def test_a_band_is_the_interval_of_the_mean() -> None:
    rng = np.random.default_rng(0)
    each = [rng.random(5) for _ in range(3)]
    ax = curves({"EWC": averaged(np.arange(5.0), each)}, "step", "bits")
    low, high = stats.t.interval(0.95, 2, np.mean(each, 0), stats.sem(each))
    np.testing.assert_allclose(band(ax), (low, high))
    np.testing.assert_allclose(np.asarray(ax.lines[0].get_ydata()), np.mean(each, 0))


def test_one_seed_has_no_band_and_what_is_lost_no_place() -> None:
    assert averaged(np.arange(2.0), [np.ones(2)]).half is None
    each = [np.array([1.0, np.inf, 3.0]), np.array([2.0, 4.0, np.nan])]
    found = averaged(np.arange(3.0), each)
    np.testing.assert_allclose(found.y, [1.5, 4.0, 3.0])
    assert found.half is not None and np.isfinite(found.half).tolist() == [True, False, False]


def test_a_logarithmic_scale_has_a_bottom() -> None:
    curve = Curve(np.arange(3.0), np.array([1.0, 0.1, 0.0]))
    ax = curves({"a": curve}, "position", "bits", log=True)
    assert ax.get_yscale() == "log" and ax.get_ylim()[0] == pytest.approx(1e-4)
    assert np.asarray(ax.lines[0].get_ydata()) == pytest.approx([1.0, 0.1, 1e-4])


def test_windows_are_averaged_over_seeds() -> None:
    """4,000 steps in 400 windows; of a seed that is not done, what there is."""
    tables = {seed: recurring(seed, 4000) for seed in range(2)}
    curve = windowed({"EWC": tables}).curves["EWC"]
    each = [t["kl/model"].to_numpy().reshape(400, 10).mean(1) for t in tables.values()]
    np.testing.assert_allclose(curve.y, np.mean(each, 0))
    np.testing.assert_allclose(curve.x, np.arange(400) * 10 + 4.5)
    assert curve.half is not None
    np.testing.assert_allclose(curve.half, stats.t.ppf(0.975, 1) * stats.sem(each))
    short = windowed({"EWC": {0: tables[0], 1: tables[1][:2000]}}).curves["EWC"]
    np.testing.assert_allclose(short.y[200:], each[0][200:])
    assert short.half is not None and np.isnan(short.half[200:]).all()


def test_hidden_shifts_differ_by_seed_and_nothing_is_shaded_behind_averages() -> None:
    tables = {seed: hidden(seed) for seed in range(3)}
    assert len({tuple(t["regime"].to_list()) for t in tables.values()}) == 3
    drawn = windowed({"EWC": tables, "Replay": tables})
    assert drawn.spans == [] and [*drawn.ribbons] == ["seed 0", "seed 1", "seed 2"]
    for seed, spans in enumerate(drawn.ribbons.values()):
        live = [s.letter for s in spans for _ in range(s.start, s.stop)]
        assert live == ["ABC"[r] for r in tables[seed]["regime"]]
    ax = bits_over_time(drawn)
    assert shades(ax) == []
    (ribbons,) = ax.child_axes
    assert [t.get_text() for t in ribbons.get_yticklabels()] == [*drawn.ribbons]
    told = plotted(drawn)
    assert told["spans"] == [] and len(told["ribbons"]) == 3
    assert all(len(s["low"]) == len(s["high"]) == len(s["y"]) for s in told["series"])


def test_regimes_are_shaded_where_all_seeds_agree() -> None:
    """Also where one of them is not done; of one seed, always."""
    tables = {0: recurring(0), 1: recurring(1), 2: recurring(2)[:25]}
    drawn = windowed({"EWC": tables})
    assert [s.letter for s in drawn.spans] == [*"ABCABC"] and drawn.ribbons == {}
    assert shades(bits_over_time(drawn)) == [(0, 10), (20, 30), (40, 50)]
    alone = windowed({"EWC": {1: hidden(1)}})
    assert alone.spans and not alone.ribbons


def test_a_schedule_that_heeds_the_learner_has_a_ribbon_for_each() -> None:
    drawn = windowed({"EWC": {0: hidden(0)}, "Replay": {0: hidden(1)}})
    assert [*drawn.ribbons] == ["EWC, seed 0", "Replay, seed 0"]


def test_what_is_not_finite_is_null_in_json() -> None:
    lost = pl.when(pl.col("step") > 30).then(np.inf).otherwise(1.0).alias("kl/model")
    (model, *_) = plotted(windowed({"EWC": {0: hidden(0).with_columns(lost)}}))["series"]
    assert model["y"][0] == 1.0 and model["y"][-1] is None and "low" not in model


def test_the_data_are_the_points() -> None:
    drawn = windowed({"EWC": {seed: recurring(seed) for seed in range(3)}})
    mine = drawn.data.filter(pl.col("title") == "EWC")
    np.testing.assert_allclose(mine["value"], drawn.curves["EWC"].y)
    half = drawn.curves["EWC"].half
    assert half is not None
    np.testing.assert_allclose(mine["high"] - mine["low"], 2 * half)


def test_nothing_scored_is_nothing_drawn() -> None:
    drawn = windowed({"EWC": {0: pl.DataFrame()}})
    assert drawn.curves == {} and len(drawn.data) == 0


def test_drawn_where_it_is_told(axes: Axes) -> None:
    drawn = windowed({"EWC": {0: hidden(0)}})
    assert bits_over_time(drawn, ax=axes) is axes and len(axes.lines) == 3
