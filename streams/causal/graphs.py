"""Enumeration of directed acyclic graphs, their joint laws, and confounding in bits."""

from functools import cache
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int

from plasticity import normalise

Graphs = Int[np.ndarray, "graphs variables"]
"""Bit u of entry [g, v]: in graph g, u is a parent of v."""
Laws = Float[np.ndarray, "#batch variables units"]
"""p(variable v has the value that it has in unit c | its parents have those of c), for every v and c."""


@cache
def units(variables: int, values: int) -> Int[np.ndarray, "units variables"]:
    """Every unit there can be, by the values of its variables; the last one changes fastest."""
    return np.array(list(product(range(values), repeat=variables)))


@cache
def alike(variables: int, values: int) -> Bool[np.ndarray, "sets units units"]:
    """Whether two units agree on a set of variables, by its bit mask."""
    table = units(variables, values)
    same = table[:, None] == table[None]
    member = np.arange(2**variables)[:, None] >> np.arange(variables) & 1 == 1
    return (same | ~member[:, None, None]).all(-1)


@cache
def zeroed(variables: int, values: int) -> Int[np.ndarray, "sets units"]:
    """The unit that has the same values on a set of variables, by its bit mask, and 0 elsewhere."""
    member = np.arange(2**variables)[:, None] >> np.arange(variables) & 1
    return (units(variables, values) * member[:, None]) @ values ** np.arange(variables)[::-1]


@cache
def parent_sets(variables: int, most: int) -> Int[np.ndarray, "variables sets"]:
    """The bit masks of at most `most` other variables, for each variable."""
    masks = [m for m in range(2**variables) if m.bit_count() <= most]
    return np.array([[m for m in masks if not m >> v & 1] for v in range(variables)])


@cache
def dags(variables: int, most: int) -> Graphs:
    """For every acyclic graph, which of `parent_sets` each variable has; graphs ascend.

    There are 3, 25, 543 and 29,281 with 2 to 5 variables (Robinson 1973).

    Args:
        variables: nodes.
        most: parents of a variable, at most.

    >>> len(dags(4, 3))
    543
    """
    sets = parent_sets(variables, most)
    choice = np.indices([sets.shape[1]] * variables).reshape(variables, -1).T
    return choice[acyclic(sets[np.arange(variables), choice])]


def acyclic(graphs: Graphs) -> Bool[np.ndarray, " graphs"]:
    """Whether all variables go when those without parents are taken away again and again."""
    bits = 1 << np.arange(graphs.shape[1])
    left = np.full(len(graphs), bits.sum())
    for _ in bits:
        left &= ~((graphs & left[:, None] == 0) @ bits)
    return left == 0


def joint(
    laws: Laws, done: Int[np.ndarray, " #batch"] | None = None
) -> Float[np.ndarray, "rows units"]:
    """The truncated factorisation (Pearl 2009, 1.37): the laws of all variables but the one that is done.

    Args:
        laws: of every variable.
        done: the variable of each row that is set, or -1; null: in no row.

    Returns:
        p(c | do(variable = its value in c)); of the units where the variable has one value, sums to 1.
    """
    if done is None:
        return laws.prod(1)
    kept = np.arange(laws.shape[1]) != done[:, None]
    return np.where(kept[..., None], laws, 1.0).prod(1)


def given(
    mass: Float[np.ndarray, "batch units"], cause: int, effect: int, values: int
) -> Float[np.ndarray, "batch values values"]:
    """P(effect | cause) from a joint: row a is the law of the effect where the cause is a."""
    variables = round(np.log(mass.shape[1]) / np.log(values))
    one_hot = np.eye(values)[units(variables, values)]
    return normalise(np.einsum("bc,ca,cy->bay", mass, one_hot[:, cause], one_hot[:, effect]))


def confounding(laws: Laws, values: int) -> Float[np.ndarray, "batch variables variables"]:
    """How wrong it is to answer what would be done by what is seen: KL(p(y | do(x)) || p(y | x)), in bits.

    The mean over the values of x, for every x (axis 1) and y (axis 2). It is 0 where no path into x leads
    to y (the second rule of do-calculus: Pearl 2009, theorem 3.4.1), so that a common cause, or y itself
    as the cause, makes it positive.
    """
    batch, variables, _ = laws.shape
    found = np.zeros((batch, variables, variables))
    for x, y in product(range(variables), repeat=2):
        if x != y:
            seen = given(joint(laws), x, y, values)
            done = given(joint(laws, np.full(batch, x)), x, y, values)
            ratio = np.divide(done, seen, out=np.ones_like(done), where=done > 0)
            found[:, x, y] = (done * np.log2(ratio)).sum(-1).mean(-1)
    return found
