"""Predictive matrix: prompts by next symbols, beside that of the exact observer."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plasticity.core.tunnel import Batch, Observer, Symbols, Tunnel

CHUNK = 64
"""Episodes drawn at once, and prompts answered at once."""
PATIENCE = 64
"""Chunks that bring no new prompt, after which there are taken to be no more."""
NEAREST = 5
"""Neighbours of a prompt."""
FLOOR = 1e-6
"""Probability that a compressed row has at least, so that its bits are finite."""
LITTLE = 0.01
"""Bits within which a compressed matrix counts as the same, and length of a move that hardly is one."""

Matrix = Float[np.ndarray, "prompts symbols"]
"""Row i is p(next symbol | prompt i)."""
Pairs = Int[np.ndarray, "pairs 2"]
"""Two prompts each: the one with less evidence, and the one with more."""


class Prompts(NamedTuple):
    """Different prompts of one tunnel, the shortest first; each is how an episode begins."""

    inputs: Int[np.ndarray, "prompts time"]
    """The episode, of which the first `lengths` are the prompt."""
    targets: Int[np.ndarray, "prompts time"]
    lengths: Int[np.ndarray, " prompts"]
    """Symbols of each."""
    chance: Float[np.ndarray, " prompts"]
    """Probability that an episode begins so, as far as was seen; NaN where the tunnel has no evidence."""

    @property
    def words(self) -> list[tuple[int, ...]]:
        """The symbols of each."""
        pairs = zip(self.inputs.tolist(), self.lengths.tolist(), strict=True)
        return [tuple(row[:n]) for row, n in pairs]

    @property
    def coverage(self) -> dict[int, float]:
        """Length -> the probability that an episode begins with one of these."""
        lengths = np.unique(self.lengths).tolist()
        return {n: float(self.chance[self.lengths == n].sum()) for n in lengths}

    def steps(self) -> Pairs:
        """Each prompt after the longest other that begins it."""
        place = {words: i for i, words in enumerate(self.words)}
        shorter = {n: range(n - 1, 0, -1) for n in set(self.lengths.tolist())}
        found = list[tuple[int, int]]()
        for words, i in place.items():
            before = (place.get(words[:n]) for n in shorter[len(words)])
            found += [(j, i) for j in before if j is not None][:1]
        return np.array(found, dtype=np.int64).reshape(-1, 2)

    def evidence(self) -> Pairs:
        """Each prompt after the shortest one that ends in the same symbol."""
        first = dict[int, int]()
        pairs = [(first.setdefault(words[-1], i), i) for i, words in enumerate(self.words)]
        return np.array([pair for pair in pairs if pair[0] != pair[1]], np.int64).reshape(-1, 2)


class Moves(NamedTuple):
    """How far rows move with evidence, against Bayes' rule; d, e are the moves of a row and of the exact one.

    Where the exact rows hardly move, by .01 or less (root mean square), slope and explained are NaN.
    """

    slope: float
    """sum <d, e> / sum <e, e>: 1, as far as Bayes' rule has it; 0, not at all, or elsewhere."""
    explained: float
    """1 - sum |d - e|^2 / sum |e|^2: 1, just as Bayes' rule has it; 0, no better than not to move."""
    distance: float
    """Mean total variation of a move."""


class Findings(NamedTuple):
    """Of one matrix of N prompts by K symbols, beside the exact one. Means are over the prompts."""

    kl: float
    """KL(exact row || row), in bits."""
    rank: int
    """Singular values above max(N, K) times the rounding error of the first (Press et al., Numerical Recipes)."""
    effective: float
    """exp of the entropy of the singular values over their sum (Roy & Vetterli 2007, EUSIPCO)."""
    frobenius: list[float]
    """Of the best matrix of rank r = 1..K (Eckart & Young 1936): |error| / |matrix|."""
    bits: list[float]
    """The same, its rows clipped at 1e-6 and normalised: KL(row || compressed row), in bits."""
    step: Moves
    """From each prompt's longest beginning: with one more symbol, or with what lies between two questions."""
    evidence: Moves
    """From the shortest prompt that ends in the same symbol: with all that came before."""
    neighbours: float
    """Share of a prompt's 5 nearest (Hellinger) that are as near in the exact matrix as its 5 nearest there."""

    @property
    def needed(self) -> int:
        """The least rank that stays within 0.01 bit."""
        return 1 + next(
            r for r, b in enumerate(self.bits) if b <= LITTLE or r + 1 == len(self.bits)
        )


def prompts(
    tunnel: Tunnel, time: int, most: int, rng: np.random.Generator, longest: int | None = None
) -> Prompts:
    """All prompts that the tunnel can make, or as many as are allowed, with all that begin them.

    Args:
        tunnel: whose episodes; a prompt ends where one is asked.
        time: symbols of an episode.
        most: prompts, about: those of the last episode are taken whole.
        rng: of the episodes.
        longest: symbols of a prompt at most; None: an episode.

    Raises:
        ValueError: nothing is asked of prompts that short.
    """
    asked, observer = np.flatnonzero(tunnel.asked(time)[:longest]), tunnel.observer()
    if not len(asked):
        raise ValueError(f"length: {tunnel!r} asks nothing of the first {longest} symbols")
    found = dict[bytes, tuple[np.ndarray, np.ndarray, int]]()
    chance = dict[bytes, dict[bytes, float]]()  # the same inputs may have different answers
    idle = 0
    while len(found) < most and idle < PATIENCE:
        known = len(found)
        x, y = tunnel.draw(tunnel.latents(CHUNK, rng), time, rng)
        nats, told = _evidence(observer, x, y)
        for row in range(CHUNK):
            for t in asked.tolist() if len(found) < most else []:
                key = x[row, : t + 1].tobytes()
                found.setdefault(key, (x[row], y[row], t + 1))
                answers = y[row, :t][told[:t]].tobytes()
                chance.setdefault(key, {})[answers] = float(np.exp(nats[row, t]))
        idle = 0 if len(found) > known else idle + 1
    order = sorted(found, key=lambda key: (found[key][2], found[key][0].tolist()))
    inputs, targets, lengths = zip(*(found[key] for key in order), strict=True)
    total = [sum(chance[key].values()) for key in order]
    return Prompts(np.array(inputs), np.array(targets), np.array(lengths), np.array(total))


def by_rule(observer: Observer, asked: Prompts) -> Matrix:
    """The matrix of an exact observer: Bayes' rule."""
    rows = np.arange(len(asked.lengths))
    return observer.predict(asked.inputs, asked.targets)[rows, asked.lengths - 1]


@torch.no_grad()
def by_predictor(
    predict: Callable[[Batch], Float[Tensor, "batch time symbols"]], asked: Prompts
) -> Matrix:
    """The matrix of whatever says logits of a batch, in float64."""
    inputs, targets = map(torch.from_numpy, (asked.inputs, asked.targets))
    everywhere = torch.ones(inputs.shape[1], dtype=torch.bool)
    whole = Batch(inputs, targets, everywhere)
    starts = range(0, len(inputs), CHUNK)
    logits = torch.cat([predict(whole.rows(slice(at, at + CHUNK))) for at in starts])
    rows = logits[torch.arange(len(logits)), torch.from_numpy(asked.lengths) - 1]
    return rows.double().softmax(-1).numpy()


def study(asked: Prompts, exact: Matrix, matrices: Mapping[str, Matrix]) -> dict[str, Findings]:
    """What is found of each matrix beside the exact one."""
    near, steps, evidence = _hellinger(exact), asked.steps(), asked.evidence()
    return {
        title: Findings(
            float(bits(exact, rows).mean()),
            int(np.linalg.matrix_rank(rows)),
            effective_rank(rows),
            *compression(rows),
            moves(exact, rows, steps),
            moves(exact, rows, evidence),
            in_common(near, _hellinger(rows)),
        )
        for title, rows in matrices.items()
    }


def _evidence(
    observer: Observer, x: Symbols, y: Symbols
) -> tuple[Float[np.ndarray, "batch entries"], Bool[np.ndarray, " time"]]:
    """Log probability of what was shown, in nats, and the targets that count; NaN where the tunnel has none."""
    try:
        return observer.evidence(x, y), observer.input_evidence(x, y).counted
    except NotImplementedError:
        return np.full((len(x), x.shape[1] + 1), np.nan), np.zeros(x.shape[1], dtype=bool)


def bits(truth: Matrix, said: Matrix) -> Float[np.ndarray, " prompts"]:
    """KL(truth || said) of each row, in bits."""
    ratio = np.divide(truth, said, out=np.ones_like(truth), where=truth > 0)
    return (truth * np.log2(ratio)).sum(-1)


def effective_rank(rows: Matrix) -> float:
    """exp(H(sigma / sum sigma)): at most the rank, and 1 where one direction has it all."""
    sigma = np.linalg.svd(rows, compute_uv=False)
    share = sigma[sigma > 0] / sigma.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def compression(rows: Matrix) -> tuple[list[float], list[float]]:
    """What every rank from 1 on loses: (Frobenius error as a share of the norm, KL in bits a row)."""
    left, sigma, right = np.linalg.svd(rows, full_matrices=False)
    frobenius, lost = [], []
    for rank in range(1, len(sigma) + 1):
        near = (left[:, :rank] * sigma[:rank]) @ right[:rank]
        near = near.clip(FLOOR)
        frobenius.append(float(np.sqrt((sigma[rank:] ** 2).sum() / (sigma**2).sum())))
        lost.append(float(bits(rows, near / near.sum(-1, keepdims=True)).mean()))
    return frobenius, lost


def moves(exact: Matrix, rows: Matrix, pairs: Pairs) -> Moves:
    """How the second prompt's row differs from the first's, against the exact rows; NaN where there is no pair."""
    if not len(pairs):
        return Moves(np.nan, np.nan, np.nan)
    less, more = pairs.T
    d, e = rows[more] - rows[less], exact[more] - exact[less]
    size, distance = (e * e).sum(), float(distances(rows, pairs).mean())
    if size <= LITTLE**2 * len(pairs):
        return Moves(np.nan, np.nan, distance)
    explained = 1 - ((d - e) ** 2).sum() / size
    return Moves(float((d * e).sum() / size), float(explained), distance)


def distances(rows: Matrix, pairs: Pairs) -> Float[np.ndarray, " pairs"]:
    """Total variation between the two rows of each pair."""
    return np.abs(rows[pairs[:, 1]] - rows[pairs[:, 0]]).sum(-1) / 2


def nearest(rows: Matrix) -> Int[np.ndarray, "prompts nearest"]:
    """The prompts whose rows are nearest to each one's, the nearest first."""
    return _order(_hellinger(rows))


Distances = Float[np.ndarray, "prompts prompts"]


def in_common(exact: Distances, mine: Distances) -> float:
    """Share of the nearest by `mine` that are as near by `exact` as the nearest by `exact`; ties are alike."""
    chosen = np.take_along_axis(exact, _order(mine), 1)
    bound = np.take_along_axis(exact, _order(exact), 1)[:, -1:]
    return float((chosen <= bound + 1e-9).mean())


def _hellinger(rows: Matrix) -> Distances:
    """sqrt(1 - sum_k sqrt(p_k q_k)), infinite of a prompt to itself."""
    root = np.sqrt(rows)
    apart = np.sqrt((1 - root @ root.T).clip(0))
    np.fill_diagonal(apart, np.inf)
    return apart


def _order(apart: Distances) -> Int[np.ndarray, "prompts nearest"]:
    return apart.argsort(1, kind="stable")[:, : min(NEAREST, len(apart) - 1)]
