"""Colours can be told from either background, a strategy keeps its own, and no setting of matplotlib is left behind."""

from itertools import product

import matplotlib
import pytest

from plasticity.plots import bars, looks
from plasticity.plots.style import COLOURS, DARK, DASHES, LIGHT, panels, style

COMMON = ["Frozen", "Finetune", "EWC", "Replay", "LoRA", "LwF", "DER", "SynapticIntelligence"]


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # a known near miss


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_everything_can_be_seen(palette: dict[str, str]) -> None:
    """Graphics at 3:1 (WCAG 1.4.11), on the page and on a shade; words at 4.5:1 (WCAG 1.4.3)."""
    for colour, back in product(COLOURS, (palette["paper"], palette["shade"])):
        assert contrast(colour, back) >= 3, (colour, back)
    for words, back in product((palette["ink"], palette["soft"]), (palette["paper"],)):
        assert contrast(words, back) >= 4.5


def test_forty_lines_differ_by_more_than_colour() -> None:
    found = [(look.colour, look.dash) for look in looks(f"S{i}" for i in range(40)).values()]
    assert len({*found}) == 40
    for colour in COLOURS:  # strategies of one colour have five dashes
        assert {dash for c, dash in found if c == colour} == {*DASHES}


def test_a_strategy_has_one_colour_whatever_stands_beside_it() -> None:
    own = {label: looks([label])[label].colour for label in COMMON}
    assert len({*own.values()}) == len(COMMON) == len(COLOURS)
    for some in (COMMON[::-1], COMMON[3:6], [*COMMON, "Another", "Third"]):
        found = looks(some)
        for label in own.keys() & found.keys():
            assert found[label].colour == own[label]


def test_of_two_that_want_one_colour_the_earlier_has_it() -> None:
    first = looks(["S0"])["S0"]
    same = (n for n in (f"S{i}" for i in range(1, 99)) if looks([n])[n].colour == first.colour)
    later = next(same)
    found = looks(["S0", later])
    assert found["S0"] == first and found[later].colour != first.colour


def test_settings_hold_while_a_picture_is_drawn_and_no_longer() -> None:
    before = dict(matplotlib.rcParams)
    bars({"EWC": [0.5]})
    panels(1, 2, 100, 100)
    with style():
        assert matplotlib.rcParams["svg.fonttype"] == "none"
        assert dict(matplotlib.rcParams) != before
    assert dict(matplotlib.rcParams) == before
