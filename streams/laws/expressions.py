"""Expressions of two variables modulo m in a prefix code, with their values."""

from collections.abc import Sequence
from functools import cache
from itertools import product
from math import log2
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

OPERATORS = (("+", 2, np.add), ("-", 3, np.subtract), ("*", 4, np.multiply))
"""Sign, bits of its code word, meaning; all modulo m."""
LEAF = 2
"""Bits of the code word of a variable."""
CONSTANT = 4
"""Bits of the code word that announces a constant."""
CASES = 1
"""Bits that say whether a law has an exception."""
QUANTITIES = ("a", "b", "a + b", "a - b")
"""What an exception may be about; 2 bits say which."""
ROUNDING = 1e-9
"""Bits by which two sums of the same terms may differ."""


class Expressions(NamedTuple):
    """Things that can be said about inputs, input (a, b) being number a m + b; no two say the same."""

    values: UInt8[np.ndarray, "said inputs"]
    """What each says at every input."""
    mass: Float[np.ndarray, " said"]
    """Sum of 2^-bits over all ways to say it."""
    bits: Float[np.ndarray, " said"]
    """Of the shortest way."""
    texts: list[str]
    """The shortest way, in the usual notation."""

    def find(self, values: UInt8[np.ndarray, " inputs"]) -> int:
        """Number of the one with these values.

        Raises:
            KeyError: there is none.
        """
        found = np.flatnonzero((self.values == values).all(1))
        if not len(found):
            raise KeyError(f"nothing here has the values {values.tolist()}")
        return int(found[0])


def region(quantity: str, value: int, modulus: int) -> Bool[np.ndarray, " inputs"]:
    """The inputs at which one of QUANTITIES has this value.

    >>> region("b", 1, 2), region("a + b", 1, 2)
    (array([False,  True, False,  True]), array([False,  True,  True, False]))
    """
    a, b = np.indices((modulus, modulus)).reshape(2, -1)
    return np.stack([a, b, a + b, a - b])[QUANTITIES.index(quantity)] % modulus == value


def exception_bits(modulus: int) -> float:
    """Bits of a law with an exception that are not bits of its two expressions."""
    return CASES + log2(len(QUANTITIES)) + log2(modulus)


@cache
def expressions(modulus: int, longest: float) -> Expressions:
    """All of at most so many bits.

    In Polish notation an expression is a, b, a constant, or a sign and two expressions. The words

        a 00   b 01   + 10   - 110   * 1110   a constant 1111 and log2 m bits

    are prefix-free, and so are expressions, as every sign says what is still to come. Their 2^-bits
    add up to 1: they are the chances of a branching process with 7/8 child on average, which dies out.

    >>> expressions(2, 7.0).texts
    ['a', 'b', '0', 'a + b', '1']
    """
    return _merged(list(_by_length(modulus, longest).values()))


@cache
def laws(modulus: int, longest: float) -> Expressions:
    """All laws of at most so many bits: 0 and an expression, or 1 and one with an exception.

    An exception is written 1, two bits for the quantity v, log2 m for its value c, and two
    expressions: `if v = c then E else E'`. That is a prefix code too, and the mass of a law, 2^-bits
    summed over the ways to write it, is its prior up to a factor (Solomonoff 1964; Rissanen 1978).

    Raises:
        ValueError: no law is so short.

    >>> found = laws(2, 8.0)
    >>> found.texts[:3], found.bits[:3], found.mass[:3].round(3)
    (['a', 'b', '0'], array([3., 3., 6.]), array([0.172, 0.172, 0.039]))
    """
    groups = list(_by_length(modulus, longest - CASES).values())
    if not groups:
        raise ValueError(f"longest: expected at least {CASES + LEAF} bits, got {longest}")
    found = [said._replace(bits=said.bits + CASES, mass=said.mass / 2**CASES) for said in groups]
    extra = exception_bits(modulus)
    for there, elsewhere in product(groups, repeat=2):
        bits = extra + there.bits[0] + elsewhere.bits[0]
        if bits > longest + ROUNDING:
            continue
        mass = np.outer(there.mass, elsewhere.mass).ravel() * 2.0**-extra
        for v, c in product(QUANTITIES, range(modulus)):
            where = region(v, c, modulus)
            values = np.where(where, there.values[:, None], elsewhere.values[None])
            texts = [
                f"if {v} = {c} then {one} else {other}"
                for one, other in product(there.texts, elsewhere.texts)
            ]
            values = values.reshape(len(mass), -1)
            found.append(Expressions(values, mass, np.full(len(mass), bits), texts))
    return _merged(found)


def _by_length(modulus: int, longest: float) -> dict[tuple[int, int], Expressions]:
    """Those of n bits and k constants, which are n + k log2 m bits together."""
    a, b = np.indices((modulus, modulus)).reshape(2, -1).astype(np.uint8)
    constants = np.repeat(np.arange(modulus, dtype=np.uint8)[:, None], len(a), axis=1)
    found, each = dict[tuple[int, int], Expressions](), log2(modulus)

    def add(key: tuple[int, int], values: np.ndarray, mass: np.ndarray, texts: list[str]) -> None:
        bits = np.full(len(mass), key[0] + key[1] * each)
        whole = Expressions(values, mass, bits, texts)
        found[key] = _merged([found[key], whole] if key in found else [whole])

    if longest >= LEAF:
        add((LEAF, 0), np.stack([a, b]), np.full(2, 2.0**-LEAF), ["a", "b"])
    if longest + ROUNDING >= CONSTANT + each:
        mass = np.full(modulus, 2.0**-CONSTANT / modulus)
        add((CONSTANT, 1), constants, mass, [str(c) for c in range(modulus)])
    for n in range(2 * LEAF + 2, int(longest) + 1):
        for (sign, own, meaning), (one, other) in product(
            OPERATORS, product(list(found), repeat=2)
        ):
            key = n, one[1] + other[1]
            if own + one[0] + other[0] != n or n + key[1] * each > longest + ROUNDING:
                continue
            left, right = found[one], found[other]
            values = meaning(left.values[:, None].astype(int), right.values[None]) % modulus
            mass = np.outer(left.mass, right.mass).ravel() * 2.0**-own
            texts = [f"{_part(x)} {sign} {_part(y)}" for x, y in product(left.texts, right.texts)]
            add(key, values.reshape(len(mass), -1).astype(np.uint8), mass, texts)
    return found


def _part(text: str) -> str:
    """As a part of a longer one."""
    return f"({text})" if " " in text else text


def _merged(groups: Sequence[Expressions]) -> Expressions:
    """What says the same made one; the most probable first."""
    values = np.concatenate([said.values for said in groups])
    mass, bits = (np.concatenate([said[i] for said in groups]) for i in (1, 2))
    texts = [text for said in groups for text in said.texts]
    values, inverse = np.unique(values, axis=0, return_inverse=True)
    total = np.bincount(inverse.ravel(), mass)
    shortest = np.full(len(values), -1)
    ranks = np.lexsort((np.arange(len(bits)), bits))[::-1]
    shortest[inverse.ravel()[ranks]] = ranks  # the last one written is the shortest
    order = np.lexsort((shortest, bits[shortest], -total.round(12)))
    chosen = shortest[order]
    return Expressions(values[order], total[order], bits[chosen], [texts[i] for i in chosen])
