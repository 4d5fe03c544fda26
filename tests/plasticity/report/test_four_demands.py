"""The four demands, on made-up numbers whose answer is plain."""

from plasticity.report.four_demands import TITLES, answers, four_demands
from plasticity.report.page import NumberTable


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
        code_length__over_informed=[100.0, 110.0, 120.0],
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
    found = four_demands(
        {"good": good, "bad": bad, "doubtful": doubtful, "single": single, "still": still}
    )
    assert found is not None and found.folded
    table = found.blocks[0]
    assert isinstance(table, NumberTable) and table.titles == TITLES
    lines = {cells[0]: cells[1:] for cells, _ in table.lines}
    answers = {who: [text.partition(":")[0] for text in line] for who, line in lines.items()}
    assert answers == {
        "good": ["yes"] * 4,
        "bad": ["no"] * 4,
        "doubtful": ["unsure", "-", "-", "unsure"],
        "single": ["unsure", "-", "-", "-"],
        "still": ["-", "unmoved", "-", "-"],
    }
    _, _, repairs, grows = lines["good"]
    assert "0.91" in repairs and "0.11" in repairs and "0.10" in repairs and "110" in grows


def test_nothing_known_is_nothing_shown() -> None:
    assert four_demands({"empty": [{}], "none": [{"skill": None}]}) is None


def test_what_is_asked_together_is_corrected_together() -> None:
    """A skill whose own p is .03 is sure where it is asked alone, and not among twenty others."""
    alone = {"one": seeds(skill=[0.1, 0.22, 0.16])}
    assert answers(alone)[0][0][1].startswith("yes: ")
    many = {f"S{i}": seeds(skill=[0.1, -0.2 + i / 100, 0.05]) for i in range(20)}
    assert answers(alone | many)[0][0][1].startswith("unsure: ")


def test_who_diverged_is_asked_nothing() -> None:
    each = seeds(skill=[0.8, 0.81])
    each.append({"skill": None, "diverged/step": 36})
    assert answers({"lost": each}) == [(["lost", "diverged at step 36", "-", "-", "-"], False)]


def test_a_code_is_in_bits_for_all_answers_and_left_out_where_they_were_not_counted() -> None:
    counted = seeds(adaptation_trend__ols=[0.1, 0.2], code_length__over_informed=[22376.0, 22376.0])
    told, old = answers({"new": counted, "old": seeds(adaptation_trend__ols=[0.1, 0.2])})
    assert (
        told[0][4].endswith("; 22,376±0 bits over the truth") and "over the truth" not in old[0][4]
    )
