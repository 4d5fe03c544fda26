"""Every other picture draws what it is given, on axes of its own or on those it is told."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from plasticity.plots import (
    Curve,
    Heat,
    anomalies_needed,
    attention_maps,
    beliefs,
    beside,
    bits_by_draws,
    conversation_start,
    critical_differences,
    distance_moved,
    heat_map,
    ladder_rung,
    law_odds,
    probability_rows,
    skill_by_block,
)
from plasticity.plots.style import figure_of
from plasticity.plots.worlds import BAYES

RNG = np.random.default_rng(0)
HEAT = Heat(np.array([0, 10]), np.array([0, 1]), np.array([[0.5, np.nan], [0.25, 1.0]]))
ROWS = {"exact": RNG.dirichlet([1.0] * 3, 3), "LSTM": RNG.dirichlet([1.0] * 3, 3)}
LINE = {"EWC": Curve(np.array([1.0, 10.0]), np.array([-2.0, 3.0]))}
DRAWN = {"prior": Curve(np.array([1, 2, 4]), np.array([1.0, 0.4, 0.2]))}
NEEDED = pl.DataFrame(
    {
        "label": ["EWC"] * 3 + [BAYES],
        "rate": [0.1, 0.1, 0.01, 0.1],
        "count": [30, 50, 90, 3],
        "changed": [True, True, False, True],
    }
)
BELIEFS = pl.DataFrame(
    {"step": [0, 1], "regime": [0, 1], "shift": [False, True], "belief/0": [1.0, 0.2], "belief/1": [0.0, 0.8]}
)  # fmt: skip
EVERY: list[Callable[..., Axes]] = [
    lambda **k: heat_map(HEAT, **k),
    lambda **k: skill_by_block({"EWC": [0.5, -0.2]}, ["one", "two"], **k),
    lambda **k: critical_differences({"EWC": 1.5, "LwF": 1.5}, [["EWC", "LwF"]], **k),
    lambda **k: probability_rows(ROWS, [["a", "b a"], ["b"]], ["a", "b", "c"], **k),
    lambda **k: distance_moved(np.array([0.1, 0.5]), np.array([0.2, 0.4]), "LSTM", **k),
    lambda **k: law_odds(LINE, "Inputs like the anomalies", **k),
    lambda **k: anomalies_needed(NEEDED, "rate", "chance of an anomaly", **k),
    lambda **k: ladder_rung(LINE, "step", "bits", margin=(0.4, "seeing taken for doing"), **k),
    lambda **k: conversation_start(LINE, **k),
    lambda **k: beliefs(BELIEFS, **k),
    lambda **k: bits_by_draws(DRAWN, "bits", (0.5, "network alone"), **k),
]


def values(image: AxesImage) -> np.ndarray:
    """What is drawn; NaN: nothing."""
    return np.ma.filled(np.ma.asarray(image.get_array()), np.nan)


@pytest.mark.parametrize("draw", EVERY)
def test_it_returns_axes_with_words_and_units(draw: Callable[..., Axes], axes: Axes) -> None:
    assert draw(ax=axes) is axes
    own = draw()
    assert own is not axes and own.get_label() and own.get_xlabel()
    assert own.get_ylabel() or own.get_yticklabels() or not own.get_yticks().size


@pytest.mark.parametrize("draw", EVERY)
def test_the_numbers_of_its_axes_are_words(draw: Callable[..., Axes]) -> None:
    """Not what matplotlib would set as mathematics, which these pictures have none of."""
    ax = draw()
    figure_of(ax).draw_without_rendering()
    labels = [t.get_text() for t in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    assert labels or not ax.get_yticks().size
    assert not any("$" in label for label in labels)


@pytest.mark.parametrize("checkpoints", [1, 2, 5, 6, 7, 24, 25, 400])
def test_a_heat_map_marks_its_steps_evenly(checkpoints: int) -> None:
    """At every n-th column from the first: five marks at most, and none is left out between two others."""
    steps = 50 * np.arange(checkpoints)
    ax = heat_map(Heat(steps, np.arange(2), np.ones((checkpoints, 2))))
    marks = ax.get_xticks()
    assert marks[0] == 0 and 1 <= len(marks) <= 5 and len({*np.diff(marks)}) <= 1
    assert [t.get_text() for t in ax.get_xticklabels()] == [
        str(s) for s in steps[marks.astype(int)]
    ]


def test_a_heat_map_keeps_its_bits_and_its_holes() -> None:
    ax = heat_map(HEAT, 2.0, "EWC: forgot 0.25 bits")
    (image,) = ax.images
    np.testing.assert_array_equal(values(image), HEAT.bits.T)
    assert image.get_clim() == (0, 2.0)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["A", "B"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "10"]
    assert ax.get_title("left") == "EWC: forgot 0.25 bits"
    assert HEAT.data.filter(pl.col("regime") == "A")["bits"].to_list() == [0.5, 0.25]


def test_many_checkpoints_make_no_larger_picture() -> None:
    ax = heat_map(Heat(np.arange(5000), np.arange(50), np.ones((5000, 50))))
    assert values(ax.images[0]).shape == (50, 400)


def test_blocks_say_their_skill() -> None:
    means = {"EWC": [0.5, -0.001, np.nan], "Lost": [-np.inf, -3.0, 0.9]}
    ax = skill_by_block(means, ["one", "two", "three"])
    words = [t.get_text() for t in ax.texts]
    assert words == ["0.50", "0.00", "undefined", "diverged", "-3.00", "0.90"]
    shades = values(ax.images[0])
    np.testing.assert_array_equal(shades, [[0.5, -0.001, np.nan], [-1, -1, 0.9]])


def test_ranks_and_what_is_not_told_apart() -> None:
    ranks = {"EWC": 2.5, "Replay": 1.0, "LwF": 2.0}
    ax = critical_differences(ranks, [["Replay"], ["EWC", "LwF"]])
    assert [t.get_text() for t in ax.texts] == ["Replay  1.00", "LwF  2.00", "EWC  2.50"]
    joined = [
        np.asarray(line.get_xdata()).tolist() for line in ax.lines if line.get_linewidth() == 4
    ]
    assert joined == [[2.0, 2.5]]


def test_rows_of_probabilities_stand_beside_their_prompts() -> None:
    ax = probability_rows(ROWS, [["a", "b a"], ["b"]], ["a", "b", "c"])
    image = values(ax.images[0])
    assert image.shape == (2 * 3 + 1, 3 + 1 + 3), "a gap between blocks, and one between matrices"
    for name, start in (("exact", 0), ("LSTM", 4)):
        for row, place in enumerate((0, 2, 5)):
            for half in (0, 1):
                np.testing.assert_array_equal(
                    image[place + half, start : start + 3], ROWS[name][row]
                )
    assert np.isnan(image[4]).all() and np.isnan(image[:, 3]).all()
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b a", "b"]
    assert f"{100 * ROWS['LSTM'][2, 1]:.0f}" in {t.get_text() for t in ax.texts}
    assert {"exact", "LSTM"} <= {t.get_text() for t in ax.texts}


def test_anomalies_hollow_where_the_mind_never_changed() -> None:
    ax = anomalies_needed(NEEDED, "rate", "chance of an anomaly")
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    hollow = [np.asarray(d.get_ydata()).tolist() for d in dots if d.get_markerfacecolor() == "none"]
    assert hollow == [[90]]
    medians = [
        np.asarray(line.get_ydata()).tolist() for line in ax.lines if line.get_marker() != "o"
    ]
    assert medians == [[90, 40], [3]]


def test_what_the_package_gives_is_the_picture_after_its_module_was_imported_too() -> None:
    import plasticity.plots as plots

    for name in dir(plots):
        if name in plots._HOME:
            assert getattr(plots, name) is getattr(plots, name), name
            assert not isinstance(getattr(plots, name), type(plots)), name


def test_attention_is_drawn_head_by_head_with_nothing_from_the_future() -> None:
    weights = np.tri(4)[None].repeat(3, 0) / np.arange(1, 5)[:, None]
    ax = attention_maps(weights, "1 Attention")
    image = np.ma.filled(np.ma.asarray(ax.images[0].get_array()), np.nan)
    assert image.shape == (4, 3 * 4 + 2 * 2)
    np.testing.assert_allclose(image[3, :4], 0.25)
    assert np.isnan(image[0, 1:4]).all() and np.isnan(image[:, 4:6]).all()
    assert [each.get_text() for each in ax.get_xticklabels()] == ["head 0", "head 1", "head 2"]


def test_a_number_stands_beside_what_it_would_be_for_other_reasons() -> None:
    numbers = {"value": [0.5, 0.1], "chance": [0.0, 0.0], "control": [np.nan, 0.2]}
    ax = beside(["one", "two"], numbers, "bits")
    points = sorted(map(tuple, np.concatenate([c.get_offsets() for c in ax.collections]).tolist()))
    assert points == [(0.0, 0.0), (0.0, 1.0), (0.1, 1.0), (0.2, 1.0), (0.5, 0.0)]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["value", "chance", "control"]  # pyright: ignore[reportOptionalMemberAccess]
    assert "one 0.5; two 0.1" in str(ax.get_label())
