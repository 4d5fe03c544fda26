"""Brute force for causal tunnels: graphs by networkx, laws by quadrature, noise by all its settings."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations, permutations, product
from math import prod
from typing import NamedTuple

import networkx as nx
import numpy as np

from ..runs import dirichlet

Parents = tuple[tuple[int, ...], ...]
"""Of each variable, ascending."""
Values = tuple[int, ...]


class Block(NamedTuple):
    rung: int
    cause: int
    effect: int
    values: Values

    @property
    def done(self) -> int:
        return self.cause if self.rung == 2 else -1


@cache
def graphs(n: int) -> list[Parents]:
    """All acyclic ones, by trying every set of arrows."""
    arrows = list(permutations(range(n), 2))
    found = list[Parents]()
    for size in range(len(arrows) + 1):
        for chosen in combinations(arrows, size):
            graph = nx.DiGraph(chosen)
            if nx.is_directed_acyclic_graph(graph):
                found.append(
                    tuple(tuple(u for u in range(n) if (u, v) in chosen) for v in range(n))
                )
    return found


def blocks(inputs: np.ndarray, n: int, k: int) -> list[Block]:
    """Reads one row of inputs."""
    found = list[Block]()
    for said in inputs.reshape(-1, n + 2).tolist():
        rung, cause = divmod(said[0] - k, n)
        effect, values = said[2] - k, [-1] * n
        values[cause], values[effect] = said[1], said[3]
        rest = [v for v in range(n) if v not in (cause, effect)]
        for v, value in zip(rest, said[4:], strict=True):
            values[v] = value
        found.append(Block(rung, cause, effect, tuple(values)))
    return found


def completions(block: Block, y: int, k: int) -> list[Values]:
    """All units with this value of the effect, and the cause as it was."""
    return [
        values
        for values in product(range(k), repeat=len(block.values))
        if values[block.cause] == block.values[block.cause] and values[block.effect] == y
    ]


def episodes(n: int, k: int, rungs: Sequence[int]) -> list[list[Block]]:
    """Every episode that can be."""
    found: list[list[Block]] = [[]]
    for rung in rungs:
        units = product(permutations(range(n), 2), product(range(k), repeat=n))
        every = [Block(rung, x, y, values) for (x, y), values in units]
        found = [
            [*old, new]
            for old in found
            for new in every
            if rung < 3 or old[-1].values[new.cause] != new.values[new.cause]
        ]
    return found


def written(row: list[Block], n: int, k: int) -> tuple[list[int], list[int]]:
    inputs, targets = list[int](), list[int]()
    for rung, x, y, values in row:
        rest = [values[v] for v in range(n) if v not in (x, y)]
        inputs += [k + n * rung + x, values[x], k + y, values[y], *rest]
        targets += [0, 0, values[y], *[0] * (n - 1)]
    return inputs, targets


@cache
def integral(counts: tuple[int, ...], concentration: float) -> float:
    """E of a product of powers of a Dirichlet, by a quadrature that is exact for up to 31 of them."""
    points = quadrature(len(counts), concentration)
    return sum(w * prod(p**m for p, m in zip(theta, counts, strict=True)) for w, theta in points)


@cache
def quadrature(k: int, concentration: float) -> list[tuple[float, list[float]]]:
    return dirichlet([concentration] * k, nodes=16)


def family(
    v: int, parents: tuple[int, ...], seen: Sequence[Block], k: int, concentration: float
) -> float:
    """p(the values of v | those of its parents) in the blocks where v was not set, its law unknown."""
    rows = dict[Values, list[int]]()
    for block in seen:
        if block.done != v:
            row = rows.setdefault(tuple(block.values[u] for u in parents), [0] * k)
            row[block.values[v]] += 1
    return prod(integral(tuple(row), concentration) for row in rows.values())


class Machines(NamedTuple):
    """Hypotheses of functions and noise: what unit each setting of the noise makes under each."""

    prior: np.ndarray
    noise: np.ndarray
    """(hypotheses, settings): probability of each setting."""
    made: np.ndarray
    """(hypotheses, interventions, settings): the index of the unit; 0 none, 1 + 2 x + a is do(x = a)."""


Functions = Sequence[dict[Values, int]]
"""Of each variable, from the values of its parents."""


def noise_law(kinds: Sequence[int], noise: float) -> list[float]:
    """The probability of every setting: each variable obeys, defies, is 0 or is 1."""
    laws = [[1 - noise / 2, noise / 2, 0.0, 0.0], [1 - noise, 0.0, noise / 2, noise / 2]]
    settings = product(range(4), repeat=len(kinds))
    return [prod(laws[kind][u] for kind, u in zip(kinds, us, strict=True)) for us in settings]


def run(parents: Parents, functions: Functions) -> list[list[int]]:
    """Runs one structural model, for every intervention and every setting of the noise."""
    n = len(parents)
    graph = nx.DiGraph([(u, v) for v in range(n) for u in parents[v]])
    graph.add_nodes_from(range(n))
    order = list(nx.topological_sort(graph))
    made = list[list[int]]()
    for x, a in [(-1, 0), *product(range(n), range(2))]:
        made.append([])
        for u in product(range(4), repeat=n):
            values = [0] * n
            for v in order:
                f = functions[v][tuple([values[p] for p in parents[v]])]
                values[v] = a if v == x else (f, 1 - f, 0, 1)[u[v]]
            made[-1].append(index(values))
    return made


def index(values: Sequence[int]) -> int:
    return sum(value << i for i, value in enumerate(reversed(values)))


@cache
def machines(n: int, noise: float) -> Machines:
    """Every graph, function and kind of noise."""
    prior, weights, made = list[float](), list[list[float]](), list[np.ndarray]()
    laws = [noise_law(kinds, noise) for kinds in product(range(2), repeat=n)]
    for parents in graphs(n):
        tables = list[list[dict[Values, int]]]()
        for each in parents:
            contexts = list(product(range(2), repeat=len(each)))
            outcomes = product(range(2), repeat=len(contexts))
            tables.append([dict(zip(contexts, values, strict=True)) for values in outcomes])
        count = prod(2 * len(each) for each in tables) * len(graphs(n))
        for functions in product(*tables):
            made += [np.array(run(parents, functions), dtype=np.int8)] * 2**n
            weights += laws
            prior += [1 / count] * 2**n
    return Machines(np.array(prior), np.array(weights), np.array(made))


def likelihood(
    found: Machines, seen: Sequence[Block], last: Callable[[np.ndarray], np.ndarray] | None = None
) -> np.ndarray:
    """p(blocks | each hypothesis): a sum over all settings of the noise of each unit (abduction, action, prediction).

    Args:
        found: the hypotheses.
        seen: the blocks.
        last: which units the last block may show; null: its own.
    """
    total, agree = np.ones(len(found.prior)), found.noise
    for i, block in enumerate(seen):
        if block.rung < 3:
            total = total * agree.sum(1) if i else total
            agree = found.noise
        which = 0 if block.rung == 1 else 1 + 2 * block.cause + block.values[block.cause]
        made = found.made[:, which]
        fits = made == index(block.values)
        if last is not None and i == len(seen) - 1:
            fits = last(made)
        agree = agree * fits
    return total * agree.sum(1)
