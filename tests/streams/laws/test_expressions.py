from itertools import pairwise, product

import numpy as np
import pytest

from streams.laws.expressions import expressions, laws, region

from .grammar import prior, strings, values


def said(found) -> dict[tuple[int, ...], tuple[float, float]]:
    rows = map(tuple, found.values.tolist())
    return dict(zip(rows, zip(found.mass, found.bits, strict=True), strict=True))


def assert_equal(found, wanted: dict[tuple[int, ...], tuple[float, float]]) -> None:
    mine = said(found)
    assert mine.keys() == wanted.keys() and len(mine) == len(found.texts)
    for key, (mass, bits) in wanted.items():
        assert mine[key][0] == pytest.approx(mass, abs=1e-15)
        assert mine[key][1] == pytest.approx(bits, abs=1e-9)


@pytest.mark.parametrize(("m", "longest"), [(2, 13), (4, 13)])
def test_laws_are_what_a_parser_reads_from_all_strings_of_bits(m: int, longest: int):
    wanted = dict[tuple[int, ...], tuple[float, float]]()
    for bits, text in strings(m, longest):
        mass, least = wanted.get(key := values(text, m), (0.0, float(bits)))
        wanted[key] = mass + 2.0**-bits, min(least, bits)
    assert_equal(laws(m, float(longest)), wanted)


@pytest.mark.parametrize(("m", "longest"), [(3, 13.0), (5, 13.5), (2, 12.0), (3, 2.0 + 1)])
def test_laws_are_what_a_recursion_over_trees_finds(m: int, longest: float):
    assert_equal(laws(m, longest), prior(m, longest))


def test_the_shortest_way_is_told_and_says_so():
    found = laws(3, 14.0)
    for text, row in zip(found.texts, found.values.tolist(), strict=True):
        if text.startswith("if "):
            where, _, rest = text[3:].partition(" then ")
            there, _, elsewhere = rest.partition(" else ")
            quantity, _, value = where.partition(" = ")
            text = f"({there} if ({quantity}) % 3 == {value} else {elsewhere})"
        assert values(text, 3) == tuple(row)
    assert all(one >= other - 1e-12 for one, other in pairwise(found.mass.tolist()))


def chances(longest: int) -> np.ndarray:
    """That a law modulo 2 has each number of bits, if every word of the code is drawn with chance 2^-bits."""
    of = np.zeros(longest)  # of an expression
    for n in range(longest):
        of[n] = 2 / 4 * (n == 2) + 2 * 2.0**-5 * (n == 5)
        for own in (2, 3, 4):
            of[n] += 2.0**-own * sum(of[k] * of[n - own - k] for k in range(max(n - own + 1, 0)))
    pairs = np.convolve(of, of)[:longest]
    return np.pad(of / 2, (1, 3)) + np.pad(pairs / 2, (4, 0))


def test_all_masses_together_approach_one():
    """The code is complete: nothing is wasted on strings that say nothing."""
    until = chances(1000).cumsum()
    for longest in (3, 8, 15, 24):
        assert laws(2, float(longest)).mass.sum() == pytest.approx(until[longest], abs=1e-12)
    assert 0.999 < until[999] < 1


def test_what_is_said_is_found_by_its_values():
    found = expressions(3, 9.0)
    assert [found.find(row) for row in found.values] == list(range(len(found.texts)))
    with pytest.raises(KeyError, match="nothing here has the values"):
        found.find(np.full(9, 7, np.uint8))


def test_a_region_is_where_a_quantity_has_a_value():
    for v, c in product(("a", "b", "a + b", "a - b"), range(3)):
        wanted = [eval(v, {"a": a, "b": b}) % 3 == c for a, b in product(range(3), repeat=2)]
        assert region(v, c, 3).tolist() == wanted


def test_no_law_is_shorter_than_three_bits():
    with pytest.raises(ValueError, match="longest: expected at least 3 bits, got 2"):
        laws(3, 2.0)
