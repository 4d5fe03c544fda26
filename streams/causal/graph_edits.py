"""Edits of a causal graph: reversal of an edge, or addition of a confounder."""

from functools import cache
from itertools import combinations, permutations
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from streams.causal.graphs import Graphs, acyclic, dags, parent_sets

Kind = Literal["mechanism", "reversal", "confounder"]
Arrow = tuple[int, int]
"""Cause and effect."""


class Edit(NamedTuple):
    """What changes in a graph; the mechanism of each variable whose parents change is drawn anew."""

    kind: Kind
    gone: tuple[Arrow, ...] = ()
    """Arrows that the graph has, and loses."""
    new: tuple[Arrow, ...] = ()
    """Arrows that it gains, between variables that no other arrow joins."""

    @property
    def changed(self) -> list[int]:
        """The variables whose parents change."""
        return sorted({effect for _, effect in (*self.gone, *self.new)})


class EditLaw(NamedTuple):
    """What each edit makes of each graph."""

    chance: Float[np.ndarray, "edits graphs"]
    """1 / (edits of its kind that the graph allows) where it is one of them, else 0."""
    to: Int[np.ndarray, "edits graphs"]
    """The graph that it makes; -1 where it is not allowed."""


@cache
def edits(variables: int) -> list[Edit]:
    """Every reversal and every added common cause; and of each kind the edit that changes nothing.

    The last is what is made of a graph that allows no other of the kind.

    >>> len(edits(2)), edits(3)[6]
    (4, Edit(kind='reversal', gone=(), new=()))
    """
    found = [Edit("reversal", ((x, y),), ((y, x),)) for x, y in permutations(range(variables), 2)]
    found.append(Edit("reversal"))
    for z in range(variables):
        others = [v for v in range(variables) if v != z]
        found += [Edit("confounder", (), ((z, x), (z, y))) for x, y in combinations(others, 2)]
    return [*found, Edit("confounder")]


@cache
def moves(variables: int, most: int) -> EditLaw:
    """The law of a change of each kind: uniform among the edits that the graph allows.

    An edit takes different graphs to different graphs, so that a posterior is carried along by it.

    Args:
        variables: nodes.
        most: parents of a variable, at most.
    """
    choice, every = dags(variables, most), edits(variables)
    graphs = parent_sets(variables, most)[np.arange(variables), choice]
    place = {graph: i for i, graph in enumerate(map(tuple, graphs.tolist()))}
    to = np.full((len(every), len(graphs)), -1)
    for i, edit in enumerate(every):
        fits, after = _edited(graphs, edit)
        to[i, fits] = [place.get(graph, -1) for graph in map(tuple, after[fits].tolist())]
    chance = np.zeros(to.shape)
    for kind in ("reversal", "confounder"):
        kin = [i for i, edit in enumerate(every) if edit.kind == kind]
        to[kin[-1]] = np.where((to[kin] < 0).all(0), np.arange(len(graphs)), -1)
        allowed = to[kin] >= 0
        chance[kin] = allowed / allowed.sum(0)
    return EditLaw(chance, to)


def _edited(graphs: Graphs, edit: Edit) -> tuple[Bool[np.ndarray, " graphs"], Graphs]:
    """Which graphs have the arrows that go and may have those that come, and what becomes of them."""
    after, fits = graphs.copy(), np.full(len(graphs), bool(edit.new))
    for cause, effect in edit.gone:
        fits &= _has(after, cause, effect)
        after[:, effect] &= ~(1 << cause)
    for cause, effect in edit.new:
        fits &= ~_has(after, cause, effect) & ~_has(after, effect, cause)
    for cause, effect in edit.new:
        after[:, effect] |= 1 << cause
    return fits & acyclic(after), after


def _has(graphs: Graphs, cause: int, effect: int) -> Bool[np.ndarray, " graphs"]:
    return graphs[:, effect] >> cause & 1 == 1
