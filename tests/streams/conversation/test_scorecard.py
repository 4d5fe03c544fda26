"""The scorecard's answers against arithmetic on its rows, done without SQL."""

import numpy as np
import pytest

from streams.conversation.scorecard import INNINGS, SLOTS, Scorecard, answers, table

FULL = [len(slot.keywords) for slot in SLOTS]
MEANING = {"SUM": sum, "AVG": lambda v: sum(v) / len(v), "MAX": max, "MIN": min, "COUNT": len}


def test_answers_are_arithmetic_on_the_rows():
    card, found = Scorecard(FULL), answers(tuple(FULL))
    rows = table().execute("SELECT * FROM innings").fetchall()
    assert len(rows) == FULL[2] * FULL[3] * INNINGS
    for place in np.ndindex(*FULL):
        aggregate, column, team, venue = (
            slot.keywords[i] for slot, i in zip(SLOTS, place, strict=True)
        )
        values = [
            row[2 + SLOTS[1].keywords.index(column)] for row in rows if row[:2] == (team, venue)
        ]
        assert found[place] == pytest.approx(MEANING[aggregate](values), abs=1e-12)
        if not any(place[2:]):
            program = np.add(place, card.starts).tolist()
            assert card.answer(program) == found[place]


def test_rows_could_be_innings():
    rows = table().execute("SELECT runs, balls, fours, sixes, minutes FROM innings").fetchall()
    runs, balls, fours, sixes, minutes = np.array(rows).T
    assert (4 * fours + 6 * sixes <= runs).all() and (runs < balls).all()
    assert (balls <= minutes).all() and 25 < runs.mean() < 45


def test_programs_agree_iff_their_queries_answer_alike():
    card, rng = Scorecard([5, 3, 3, 2]), np.random.default_rng(0)
    said, wanted = rng.integers(card.sizes, size=(2, 400, 4)) + card.starts
    same = [
        card.answer(a) == card.answer(b)
        for a, b in zip(said.tolist(), wanted.tolist(), strict=True)
    ]
    agree = card.agree(said, wanted)
    np.testing.assert_array_equal(agree, same)
    equal = (said == wanted).all(1)
    assert agree[equal].all() and agree.sum() > equal.sum()


def test_what_makes_no_sense_has_no_answer():
    card = Scorecard([2, 2, 3, 2])
    wanted = np.array([[0, 2, 4, 7], [0, 2, 4, 7]])
    said = np.array([[0, 2, 4, 7], [0, 2, 7, 4]])
    np.testing.assert_array_equal(card.agree(said, wanted), [True, False])
    with pytest.raises(ValueError, match="expected a token from 4 to 6 for teams, got 7"):
        card.sql([0, 2, 7, 4])


def test_a_slot_has_only_so_many_keywords():
    with pytest.raises(ValueError, match="venues: expected 1 to 8, got 9"):
        Scorecard([2, 2, 2, 9])


def test_an_apostrophe_is_quoted():
    assert Scorecard(FULL).sql([0, 5, 10, 20]).endswith("venue = 'Lord''s'")
