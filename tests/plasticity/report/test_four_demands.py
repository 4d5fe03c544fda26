"""The four demands, on made-up numbers whose answer is plain."""

import re
from html.parser import HTMLParser

from plasticity.report.four_demands import TITLES, ladder


def cells(page: str) -> list[list[str]]:
    """The texts of a table's rows."""
    rows: list[list[str]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag == "tr":
                rows.append([])
            elif tag in ("td", "th") and rows:
                rows[-1].append("")

        def handle_data(self, data: str) -> None:
            if rows and rows[-1]:
                rows[-1][-1] += data

    Parser().feed(re.split("<p class=small>", page)[0])
    return rows


def seeds(**numbers: list[float]) -> list[dict[str, object]]:
    count = len(next(iter(numbers.values())))
    return [
        {key.replace("__", "/"): each[i] for key, each in numbers.items()} for i in range(count)
    ]


def test_yes_no_and_unsure() -> None:
    good = seeds(
        skill=[0.8, 0.81, 0.79],
        forgetting__chaudhry2018=[-0.2, -0.21, -0.19],
        world__before__mechanism=[0.9, 0.91, 0.92],
        world__repaired__mechanism=[0.1, 0.12, 0.11],
        world__collateral__mechanism=[0.1, 0.1, 0.1],
        adaptation_trend__ols=[-0.5, -0.51, -0.49],
        dynamic_regret__realised=[100.0, 110.0, 120.0],
    )
    bad = seeds(
        skill=[-0.8, -0.81, -0.79],
        forgetting__chaudhry2018=[0.2, 0.21, 0.19],
        world__before__mechanism=[0.1, 0.12, 0.11],
        world__repaired__mechanism=[0.9, 0.91, 0.92],
        adaptation_trend__ols=[0.5, 0.51, 0.49],
    )
    doubtful = seeds(skill=[-0.8, 0.9, 0.1], adaptation_trend__ols=[0.5, -0.5, 0.1])
    single, still = seeds(skill=[0.9]), seeds(forgetting__chaudhry2018=[0.0, 0.0, 0.0])
    table = cells(
        ladder({"good": good, "bad": bad, "doubtful": doubtful, "single": single, "still": still})
    )
    answers = {
        row[0]: [text.partition(":")[0] for text in row[1:5]] for row in table if len(row) >= 5
    }
    assert [*answers.pop("")] == list(TITLES[1:])
    assert answers == {
        "good": ["yes"] * 4,
        "bad": ["no"] * 4,
        "doubtful": ["unsure", "-", "-", "unsure"],
        "single": ["unsure", "-", "-", "-"],
        "still": ["-", "unmoved", "-", "-"],
    }
    text = dict((row[0], row) for row in table)["good"]
    assert "0.91" in text[3] and "0.11" in text[3] and "0.10" in text[3] and "110" in text[4]


def test_nothing_known_is_nothing_shown() -> None:
    assert ladder({"empty": [{}], "none": [{"skill": None}]}) == ""
