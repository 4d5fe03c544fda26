"""Laws read from bits: every string of so many, and what it says, by a parser that knows nothing but the code."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from math import log2

Meaning = Callable[[int, int], int]
QUANTITIES = ("a", "b", "(a + b)", "(a - b)")
WORDS = {"+": 2, "-": 3, "*": 4}


class Short(Exception):
    """The string ends too soon."""


def word(bits: str, n: int) -> tuple[int, str]:
    if len(bits) < n:
        raise Short
    return int(bits[:n] or "0", 2), bits[n:]


def read_expression(bits: str, m: int) -> tuple[str, str]:
    """The expression at the head of a string, as Python, and the rest of the string."""
    head, rest = word(bits, 2)
    if head < 2:
        return "ab"[head], rest
    sign = "+"
    if head == 3:
        more, rest = word(rest, 1)
        sign = "-"
        if more:
            constant, rest = word(rest, 1)
            sign = "*"
            if constant:
                value, rest = word(rest, int(log2(m)))
                return str(value), rest
    one, rest = read_expression(rest, m)
    other, rest = read_expression(rest, m)
    return f"({one} {sign} {other})", rest


def read_law(bits: str, m: int) -> tuple[str, str]:
    cases, rest = word(bits, 1)
    if not cases:
        return read_expression(rest, m)
    quantity, rest = word(rest, 2)
    value, rest = word(rest, int(log2(m)))
    there, rest = read_expression(rest, m)
    elsewhere, rest = read_expression(rest, m)
    return f"({there} if {QUANTITIES[quantity]} % {m} == {value} else {elsewhere})", rest


def strings(m: int, longest: int) -> Iterator[tuple[int, str]]:
    """Bits of each string that is a law and nothing more, and the law."""
    for n in range(1, longest + 1):
        for digits in product("01", repeat=n):
            try:
                text, rest = read_law("".join(digits), m)
            except Short:
                continue
            if not rest:
                yield n, text


def trees(m: int, longest: float) -> Iterator[tuple[float, str]]:
    """Bits of each expression and the expression, by recursion over its parts; for any m."""
    if longest >= 2:
        yield 2.0, "a"
        yield 2.0, "b"
    if longest >= 4 + log2(m):
        yield from ((4 + log2(m), str(c)) for c in range(m))
    for sign, own in WORDS.items():
        for bits, one in trees(m, longest - own - 2) if longest >= own + 4 else ():
            for more, other in trees(m, longest - own - bits):
                yield own + bits + more, f"({one} {sign} {other})"


def spoken(m: int, longest: float) -> Iterator[tuple[float, str]]:
    """Bits of each law and the law, for any m."""
    yield from ((1 + bits, text) for bits, text in trees(m, longest - 1))
    extra = 3 + log2(m)
    for bits, there in trees(m, longest - extra - 2):
        for more, elsewhere in trees(m, longest - extra - bits):
            for v, c in product(QUANTITIES, range(m)):
                yield extra + bits + more, f"({there} if {v} % {m} == {c} else {elsewhere})"


def values(text: str, m: int) -> tuple[int, ...]:
    """What a law says at every input."""
    code = compile(text, "law", "eval")
    return tuple(eval(code, {"a": a, "b": b}) % m for a, b in product(range(m), repeat=2))


@cache
def prior(m: int, longest: float) -> dict[tuple[int, ...], tuple[float, float]]:
    """Mass and least bits of all that laws say."""
    found = dict[tuple[int, ...], tuple[float, float]]()
    for bits, text in spoken(m, longest):
        mass, least = found.get(said := values(text, m), (0.0, bits))
        found[said] = mass + 2.0**-bits, min(least, bits)
    return found
