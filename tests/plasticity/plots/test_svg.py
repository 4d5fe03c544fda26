"""Colours can be told from either background, and a picture is a file of its own."""

from itertools import product
from xml.etree import ElementTree

import polars as pl
import pytest

from plasticity.plots import svg


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


@pytest.mark.parametrize("palette", [svg.LIGHT, svg.DARK], ids=["light", "dark"])
def test_everything_can_be_seen(palette: dict[str, str]) -> None:
    """Graphics at 3:1 (WCAG 1.4.11), on the page and on a shade; words at 4.5:1 (WCAG 1.4.3)."""
    for colour, back in product(svg.COLOURS, (palette["paper"], palette["shade"])):
        assert contrast(colour, back) >= 3, (colour, back)
    for words, back in product((palette["ink"], palette["soft"]), (palette["paper"],)):
        assert contrast(words, back) >= 4.5


def test_forty_lines_differ_by_more_than_colour() -> None:
    looks = {(svg.colour(i), svg.dash(i)) for i in range(40)}
    assert len(looks) == 40
    for first in range(0, 40, 8):  # strategies of one colour have five dashes
        assert len({svg.dash(first + k) for k in range(5)}) == 5


def test_a_picture_carries_its_data_and_stands_alone() -> None:
    data = pl.DataFrame({"title": ['a<b "c"\nd', "e"], "bits": [0.25, 1.5]})
    parts = [svg.text(1, 2.34, "x<y"), svg.tag("line", class_="grid", x1=0, x2=None)]
    drawn = svg.picture("name", 'says "so"', (40, 20), parts, data)
    root = ElementTree.fromstring(svg.alone(drawn))
    space = {"s": "http://www.w3.org/2000/svg"}
    kept = root.find("s:metadata", space)
    assert kept is not None and kept.text is not None
    assert pl.read_csv(kept.text.encode()).equals(data)
    style, words, back = (root.find(f"s:{tag}", space) for tag in ("style", "text", "rect"))
    assert style is not None and "var(" not in str(style.text)
    assert svg.LIGHT["ink"] in str(style.text) and "font:" in str(style.text)
    assert words is not None and words.text == "x<y" and words.get("y") == "2.3"
    assert back is not None and back.attrib == {"width": "40", "height": "20", "fill": "#ffffff"}
    assert root.get("aria-label") == 'says "so"'


def test_a_key_takes_as_many_rows_as_it_needs() -> None:
    names = [f"Strategy{i}" for i in range(10)]
    assert svg.key_rows(names[:1], 300) == 1 and svg.key_rows([], 300) == 0
    rows = svg.key_rows(names, 300)
    drawn = svg.key({name: {"stroke": "red"} for name in names}, 0, 0, 300)
    places = ElementTree.fromstring(f"<g>{drawn}</g>").findall("line")
    heights = {float(place.get("y1", "nan")) for place in places}
    assert len(places) == 10 and heights == {17.0 * row for row in range(rows)} and rows > 2
    assert all(float(place.get("x2", "nan")) < 300 for place in places)
