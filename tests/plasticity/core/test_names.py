"""Names: what is refused, and labels as folders that every file system takes."""

import re

import pytest

from plasticity.core.names import FOLDER, check_name, folder_name, printable, short


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "../../..",
        "a/b",
        "a\\b",
        ".hidden",
        "=1+1",
        "-x",
        "+x",
        "@x",
        "a\x1b[2J",
        "x" * 101,
    ],
)
def test_a_name_that_leaves_its_folder_or_acts_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="^name: expected 1 to 100 printable bytes"):
        check_name(name)


@pytest.mark.parametrize("name", ["quickstart", "two words", "Größe", "a.b", "lr=0.1", "run[1]"])
def test_ordinary_names_pass(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "label", ["a" * 200, "ä", "a/b", "a[1]*?", "~", "{'type': 'EWC'}", "日本", "\x1b[2J"]
)
def test_a_folder_is_safe_short_and_tells_labels_apart(label: str) -> None:
    folder = folder_name(label, "-seed18446744073709551615")
    assert re.fullmatch(r"[A-Za-z0-9_+=,()][A-Za-z0-9._+=,()-]*", folder)
    assert len(folder.encode()) <= FOLDER
    assert folder.endswith("-seed18446744073709551615")
    assert folder != folder_name(label + "!", "-seed18446744073709551615")


def test_an_ordinary_label_is_its_own_folder() -> None:
    assert folder_name("LoRA(rank=4,lr=0.001)", "-seed3") == "LoRA(rank=4,lr=0.001)-seed3"


def test_a_long_label_keeps_its_beginning_and_stays_different() -> None:
    one, other = short("x" * 100 + "1"), short("x" * 100 + "2")
    assert len(one) == 80
    assert one[:71] == "x" * 71
    assert one != other


def test_what_a_terminal_obeys_is_written_out() -> None:
    assert printable("a\x1b[2Jb\r\u202e\nc\td ± é") == "a\\x1b[2Jb\\r\\u202e\nc\td ± é"
