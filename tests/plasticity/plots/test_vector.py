"""A picture is the same SVG whenever it is drawn, carries its data and words, and takes the colours of its page."""

import re
from xml.etree import ElementTree

import polars as pl
from matplotlib.axes import Axes

from plasticity.plots import bars, inline, standalone
from plasticity.plots.style import LIGHT

SPACE = {"s": "http://www.w3.org/2000/svg"}
DATA = pl.DataFrame({"title": ['a<b "c"\nd', "e"], "bits": [0.25, 1.5]})
ODD = ["<b>x</b>", "[red]", '"&', "$a_1$", "_hidden"]


def drawn() -> Axes:
    return bars({label: [0.1 * i, 0.3, -9.0] for i, label in enumerate(ODD)})


def test_the_same_bytes_twice() -> None:
    assert standalone(drawn(), "skill", DATA) == standalone(drawn(), "skill", DATA)
    assert inline(drawn(), "skill", DATA) == inline(drawn(), "skill", DATA)


def test_a_file_stands_alone_with_its_data_and_words() -> None:
    text = standalone(drawn(), "skill", DATA)
    root = ElementTree.fromstring(text)
    kept = root.find("s:metadata", SPACE)
    assert kept is not None and kept.text is not None
    assert pl.read_csv(kept.text.encode()).equals(DATA)
    assert root.get("role") == "img" and str(root.get("aria-label")).startswith("skill")
    assert root.findtext("s:title", None, SPACE) == "skill"
    assert "var(" not in text and LIGHT["ink"] in text and "<!DOCTYPE" not in text


def test_text_is_text() -> None:
    """Labels are words of the picture, whatever is in them, and neither markup nor mathematics."""
    for text in (standalone(drawn(), "skill"), inline(drawn(), "skill")):
        words = [t.text for t in ElementTree.fromstring(text).iter() if t.tag.endswith("text")]
        assert {*ODD} <= {*words}
        assert "<b>" not in text


def test_a_page_gives_the_colours() -> None:
    text = inline(drawn(), "skill", DATA)
    assert not any(colour in text for colour in LIGHT.values())
    assert {*re.findall(r"var\(--(\w+)\)", text)} <= {*LIGHT}
    assert 'class="picture"' in text and 'data-name="skill"' in text
    assert "<style" not in text, "it would hold for the whole page"


def test_ids_of_two_pictures_differ() -> None:
    """Of pictures that are the same but for their names; every reference has its own."""
    one, other = (inline(drawn(), name) for name in ("skill", "difference in skill"))
    ids = [re.findall(r' id="([^"]*)"', text) for text in (one, other)]
    assert ids[0] and not {*ids[0]} & {*ids[1]}
    for text, own in zip((one, other), ids, strict=True):
        assert {*re.findall(r'(?:href="#|url\(#)([^")]*)', text)} == {*own}
