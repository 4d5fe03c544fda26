"""Worlds: tiny tunnels, the finite mixtures that their priors amount to, and how their episodes are made.

A Dirichlet is stood for by the points of a quadrature that is exact for as few draws as are made here.
"""

from collections.abc import Callable
from functools import partial
from itertools import permutations, product
from math import exp
from typing import Any, NamedTuple

import numpy as np

from plasticity import Tunnel
from streams import (
    HMM,
    SULA,
    BeliefRevision,
    Bijection,
    Binding,
    ChangePoint,
    Choice,
    ContextTree,
    FilteringHMM,
    Markov,
    Recall,
    Recurrence,
    StickyMarkov,
    Urn,
)

from .runs import Choose, beta, dirichlet, rows, uniform


class World(NamedTuple):
    tunnel: Tunnel
    time: int
    prior: list[tuple[float, Any]]
    """Probability and latent."""
    program: Callable[[Any, Choose], tuple[Any, Any]]
    """One episode under a latent."""


def urn(theta: Any, choose: Choose) -> tuple[Any, Any]:
    x = [choose(theta) for _ in range(4)]
    return x[:-1], x[1:]


def walk(matrix: Any, choose: Choose) -> tuple[Any, Any]:
    x = [choose(uniform(len(matrix)))]
    while len(x) < 4:
        x.append(choose(matrix[x[-1]]))
    return x[:-1], x[1:]


def hidden(tunnel: HMM, model: Any, choose: Choose) -> tuple[Any, Any]:
    state, x = choose(uniform(tunnel.states)), list[int]()
    for _ in range(3):
        x.append(choose(tunnel.emission[model, state]))
        state = choose(tunnel.transition[model, state])
    return x[:-1], x[1:]


def refilled(tunnel: ChangePoint, hazard: Any, choose: Choose) -> tuple[Any, Any]:
    urns = beta(tunnel.concentration, tunnel.concentration, nodes=2)
    x, change = list[int](), 1
    p = 0.0
    for _ in range(3):
        if change:
            p = urns[choose([w for w, _ in urns])][1]
        x.append(choose([p, 1 - p]))
        change = choose([1 - hazard, hazard])
    return x[:-1], x[1:]


def tree(tunnel: ContextTree, table: Any, choose: Choose) -> tuple[Any, Any]:
    x = [choose(uniform(2)) for _ in range(tunnel.depth)]
    while len(x) < 5:
        newest = x[: -tunnel.depth - 1 : -1]
        x.append(choose(table[sum(k * 2**j for j, k in enumerate(newest))]))
    return x[:-1], x[1:]


def tables(tunnel: ContextTree) -> list[tuple[float, np.ndarray]]:
    """Depth 2, two symbols: the root is a leaf, or each of its children is, or is split."""
    leaf, stop = dirichlet([tunnel.concentration] * 2, nodes=5), tunnel.stop
    child = [(stop * w, [row, row]) for w, row in leaf]
    child += [((1 - stop) * v * w, [a, b]) for (v, a), (w, b) in product(leaf, leaf)]
    found = [(stop * w, np.array([row] * 4)) for w, row in leaf]
    for (v, zero), (w, one) in product(child, child):
        # Contexts x_t + 2 x_{t-1}.
        found.append(((1 - stop) * v * w, np.array([zero[0], one[0], zero[1], one[1]])))
    return found


def pairs(tunnel: Bijection | Binding, values: Any, choose: Choose) -> tuple[Any, Any]:
    left, said = list(range(tunnel.size)), list[int]()
    for _ in range(tunnel.pairs):
        key = left[choose(uniform(len(left)))]
        if not tunnel.replacement:
            left.remove(key)
        said += [key, values[key]]
    x = [symbol + tunnel.size * (i % 2) for i, symbol in enumerate(said)]
    return x[:-1], [*said[1:]]


def recall(tunnel: Recall, values: Any, choose: Choose) -> tuple[Any, Any]:
    keys, x, y = list(range(tunnel.keys)), list[int](), list[int]()
    stored = [keys.pop(choose(uniform(len(keys)))) for _ in range(tunnel.pairs)]
    for key in stored:
        lie = choose([1 - tunnel.noise, tunnel.noise])
        shown = choose(uniform(tunnel.values)) if lie else values[key]
        x += [0, 4 + key, 1, 4 + tunnel.keys + shown]
    x += [2] * tunnel.filler
    for _ in range(tunnel.queries):
        group = keys if choose([1 - tunnel.unstored, tunnel.unstored]) else stored
        key = group.pop(choose(uniform(len(group))))
        x += [3, 4 + key]
        y += [0, values[key]]
    return x, [0] * (len(x) - len(y)) + y


def revision(tunnel: BeliefRevision, matrix: Any, choose: Choose) -> tuple[Any, Any]:
    meant, x = choose(uniform(tunnel.candidates)), list[int]()
    for z in range(tunnel.candidates):
        x += [0, 5 + z] + [1] * tunnel.filler
    x.append(2)
    for _ in range(tunnel.evidence):
        x += [3, 5 + choose(matrix[meant])]
    return [*x, 4], [0] * len(x) + [meant]


def printed(tunnel: FilteringHMM, entries: Any, choose: Choose) -> tuple[Any, Any]:
    s, cents = tunnel.states, [int(e) for e in entries]
    a = np.reshape(cents[: s * s], (s, s)) / 100
    e = np.reshape(cents[s * s :], (s, -1)) / 100
    x = [96, *(c - 5 for c in cents[: s * s]), 97, *(c - 5 for c in cents[s * s :]), 98]
    y, state, belief = [0] * len(x), choose(uniform(s)), np.array(uniform(s))
    for _ in range(tunnel.steps):
        seen = choose(e[state])
        belief = belief * e[:, seen] / (belief @ e[:, seen])
        answer = choose(belief.tolist()) if tunnel.ask == "state" else -1
        x += [99, 100 + seen]
        state, belief = choose(a[state]), belief @ a
        y += [0, answer]
    if tunnel.ask == "symbol":
        y[len(y) - 2 * tunnel.steps + 1 : -1 : 2] = [
            k - 100 for k in x[len(x) - 2 * tunnel.steps + 3 :: 2]
        ]
        y[-1] = choose(e[state])
    return x, y


def residues(tunnel: Recurrence, latent: Any, choose: Choose, length: int) -> list[int]:
    program, a, b = latent
    p = tunnel.modulus
    x = [choose(uniform(p))]
    while len(x) < length:
        x.append((a * x[-1] + b) % p if program else choose(uniform(p)))
    return x


def recurrence(tunnel: Recurrence, time: int, latent: Any, choose: Choose) -> tuple[Any, Any]:
    p, size = tunnel.modulus, tunnel.symbols
    if tunnel.encoding == "integer":
        x = residues(tunnel, latent, choose, time + 1)
        return x[:-1], x[1:]
    if tunnel.encoding == "opaque":
        left = list(range(p))
        key = [left.pop(choose(uniform(len(left)))) for _ in range(p)]
        head = [2 * size, *key] + [2 * size + 1] * (size - p + 1)
        x = [key[r] for r in residues(tunnel, latent, choose, time - len(head) + 1)]
        return [*head, *(size + r for r in x[:-1])], [0] * len(head) + x[1:]
    seen, left = residues(tunnel, latent, choose, tunnel.items), list(range(tunnel.items))
    x, y = list[int](), list[int]()
    for _ in range(time // 3):
        t = left.pop(choose(uniform(len(left))))
        x += [size + t, seen[t], size + tunnel.items]
        y += [seen[t], 0, 0]
    return x, y


def labels(tunnel: SULA, time: int, right: Any, choose: Choose) -> tuple[Any, Any]:
    x, y = list[int](), list[int]()
    for _ in range(time // 2):
        word = choose(uniform(tunnel.words))
        wrong = choose([0.5, 0.5] if tunnel.shuffled else [tunnel.right, 1 - tunnel.right])
        shown = 1 - right if wrong else right
        x += [3 + word, shown]
        y += [shown, 0]
    return [*x, 2], [*y, right]


def shopping(tunnel: Choice, rounds: int, weights: Any, choose: Choose) -> tuple[Any, Any]:
    """Weights in halves."""
    order = tunnel.order or range(tunnel.features)
    x, y = list[int](), list[int]()
    for _ in range(rounds):
        utilities = list[float]()
        for _ in range(3):
            level = {f: choose(uniform(tunnel.levels)) for f in order}
            x += [3 + f * tunnel.levels + level[f] for f in order]
            worth = {f: level[f] / max(tunnel.levels - 1, 1) for f in order}
            utilities.append(sum(weights[f] / 2 * worth[f] for f in order))
        if tunnel.noise:
            mass = [exp(u / tunnel.noise) for u in utilities]
        else:
            mass = [float(u > max(utilities) - 1e-9) for u in utilities]
        taken = choose([m / sum(mass) for m in mass])
        y += [0] * (len(x) - len(y) - 1) + [taken, 0]
        x.append(taken)
    return x[:-1], y[:-1]


def preferences(tunnel: Choice) -> list[tuple[float, Any]]:
    every = [w for w in product((-2, -1, 0, 1, 2), repeat=tunnel.features) if any(w)]
    return equal(every)


def programs(tunnel: Recurrence) -> list[tuple[float, tuple[int, int, int]]]:
    p = tunnel.modulus
    every = [(tunnel.prior / p**2, (1, a, b)) for a, b in product(range(p), repeat=2)]
    return [*every, (1 - tunnel.prior, (0, 0, 0))]


def equal(latents: Any) -> list[tuple[float, Any]]:
    return [(1 / len(latents), latent) for latent in latents]


def worlds() -> list[World]:
    found = list[World]()

    def add(tunnel: Any, time: int, prior: list[tuple[float, Any]], program: Any) -> None:
        found.append(World(tunnel, time, prior, program))

    add(Urn([0.4, 1.0, 2.5]), 3, dirichlet([0.4, 1.0, 2.5]), urn)
    row = dirichlet([0.5, 0.5])
    add(Markov(2, 0.5), 3, rows(row, row), walk)
    sticky = StickyMarkov(4, 0.3, 3, seed=1)
    add(sticky, 3, equal(range(3)), lambda h, choose: walk(sticky.transition[h], choose))
    hmm = HMM(2, 3, 3, 0.7, seed=5)
    add(hmm, 2, equal(range(3)), partial(hidden, hmm))
    change = ChangePoint(2, 0.5, [0.0, 0.3, 1.0])
    add(change, 2, equal(change.hazards), partial(refilled, change))
    context = ContextTree(2, 2, 0.5, 0.3)
    add(context, 4, tables(context), partial(tree, context))
    for size, number, again in ((3, 2, False), (3, 3, False), (2, 3, True)):
        bijection = Bijection(size, number, again)
        maps = equal(list(permutations(range(size))))
        add(bijection, 2 * number - 1, maps, partial(pairs, bijection))
    binding = Binding(2, 3)
    add(binding, 5, equal(list(product(range(2), repeat=2))), partial(pairs, binding))
    for load in (
        Recall(3, 2, 2, 1, 1, 0.3, 0.4),
        Recall(4, 2, 2, 2, 0, 0.0, 0.5),
        Recall(2, 2, 2, 2, 0, 0.5, 0.0),
    ):
        time = 4 * load.pairs + load.filler + 2 * load.queries
        add(load, time, equal(list(product(range(2), repeat=load.keys))), partial(recall, load))
    belief, biased = BeliefRevision(2, 3, 1, 0.5), dirichlet([0.5, 0.5])
    each = [[(w, (np.array(d) + 2 * np.eye(2)[z]) / 3) for w, d in biased] for z in range(2)]
    add(belief, 14, rows(*each), partial(revision, belief))
    for program, time in (
        (Recurrence(3, 0.4), 3),
        (Recurrence(2, 0.4, symbols=3, horizon=1), 3),
        (Recurrence(2, 0.4, "opaque", symbols=3), 7),
        (Recurrence(3, 0.4, "opaque", symbols=3, horizon=1, density=0.5), 8),
        (Recurrence(2, 0.6, "shuffled", items=3), 6),
        (Recurrence(3, 0.6, "shuffled", symbols=4, horizon=1, items=3), 9),
    ):
        add(program, time, programs(program), partial(recurrence, program, time))
    for sula, time in ((SULA(2, 0.8), 5), (SULA(2, shuffled=True), 3), (SULA(1), 1)):
        add(sula, time, equal((0, 1)), partial(labels, sula, time))
    for shop, rounds in ((Choice(1, 2), 2), (Choice(1, 3, 0.4), 1), (Choice(2, 2, 0.7, [1, 0]), 1)):
        time = shop.round * rounds - 1
        add(shop, time, preferences(shop), partial(shopping, shop, rounds))
    return found


def headers() -> list[World]:
    """Tunnels whose prior is not enumerated: two latents of each."""
    found = list[World]()
    for ask in ("symbol", "state"):
        tunnel = FilteringHMM(2, 2, 2, ask)
        latents = [[60, 40, 25, 75, 90, 10, 45, 55], [50, 50, 5, 95, 20, 80, 45, 55]]
        found.append(World(tunnel, 15, equal(latents), partial(printed, tunnel)))
    return found
