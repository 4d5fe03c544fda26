"""Runs: the laws of whole episodes, by enumeration of every random choice that makes one."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import product
from math import prod

import numpy as np
from scipy.special import roots_jacobi

Choose = Callable[[Sequence[float]], int]
"""A random choice: from probabilities, which of them it is."""
Episode = tuple[tuple[int, ...], tuple[int, ...]]
"""Inputs and targets."""
Program = Callable[[Choose], tuple[Sequence[int], Sequence[int]]]
"""Makes an episode by random choices."""


def law(program: Program) -> dict[Episode, float]:
    """The probability of every episode: the sum over all runs of the program that make it."""
    total, begun = defaultdict[Episode, float](float), [list[int]()]
    while begun:
        script = begun.pop()
        made, weights = list[int](), list[float]()

        def choose(p: Sequence[float], script=script, made=made, weights=weights) -> int:
            which = script[len(made)] if len(made) < len(script) else -1
            if which < 0:
                which, *others = [i for i, mass in enumerate(p) if mass > 0]
                begun.extend([*made, other] for other in others)
            made.append(which)
            weights.append(float(p[which]))
            return which

        x, y = program(choose)
        total[tuple(map(int, x)), tuple(map(int, y))] += prod(weights)
    assert abs(sum(total.values()) - 1) < 1e-12
    return total


def uniform(n: int) -> list[float]:
    return [1 / n] * n


def beta(a: float, b: float, nodes: int = 8) -> list[tuple[float, float]]:
    """Weights and points of Beta(a, b): its moments up to 2 * nodes - 1 are exact (Gauss & Jacobi)."""
    points, weights = roots_jacobi(nodes, b - 1, a - 1)
    return list(zip((weights / weights.sum()).tolist(), ((1 + points) / 2).tolist(), strict=True))


def dirichlet(alpha: Sequence[float], nodes: int = 8) -> list[tuple[float, list[float]]]:
    """Weights and points of a Dirichlet, made by breaking sticks; moments are exact as those of `beta`."""
    rest = [sum(alpha[i + 1 :]) for i in range(len(alpha) - 1)]
    found = list[tuple[float, list[float]]]()
    for sticks in product(*(beta(a, b, nodes) for a, b in zip(alpha[:-1], rest, strict=True))):
        left, theta = 1.0, list[float]()
        for _, share in sticks:
            theta.append(left * share)
            left -= theta[-1]
        found.append((prod(w for w, _ in sticks), [*theta, left]))
    return found


def rows(*each: list[tuple[float, list[float]]]) -> list[tuple[float, np.ndarray]]:
    """Weights and matrices, from those of independent rows."""
    return [
        (prod(w for w, _ in chosen), np.array([row for _, row in chosen]))
        for chosen in product(*each)
    ]
