"""Belief revision: which candidate does evidence of an unknown make point to?"""

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from jaxtyping import Bool, Float, Int

from plasticity import (
    Count,
    FormattedObserver,
    InputEvidence,
    KnownObserver,
    Latents,
    Natural,
    Positive,
    Probabilities,
    Symbols,
    Tunnel,
    log,
    normalise,
)
from streams.tunnels.beta_moments import OWN, Quadrature, quadrature
from streams.tunnels.urn import categorical

INTRO, FILLER, PRONOUN, EVIDENCE, QUERY, ID = range(6)
"""Ids: candidate z is ID + z."""


class BeliefRevision(Tunnel):
    """Revision of a belief: each piece of evidence names somebody, more often than not who is meant.

    An episode introduces the N candidates, each by INTRO, its id and fillers, always in one order;
    then PRONOUN, EVIDENCE e_1 ... EVIDENCE e_n, QUERY, asked at QUERY for Z: Z uniform, e_k iid
    from row Z of a hidden matrix E, whose rows are (d_z + 2 I_z) / 3, d_z ~ Dirichlet(c, ..., c).
    With C_zj the times that evidence j came in the earlier episodes of z, n_j those in this one,
    and E[.] over d_z,

    F_z(m) = E[(d_zz + 2)^m_z prod_{j != z} d_zj^m_j]
           = sum_i binom(m_z, i) 2^(m_z - i) E[d_zz^i prod_{j != z} d_zj^m_j],
    p(Z = z | e_1..e_n) ~ F_z(C_z + n) / F_z(C_z);  E known: ~ prod_k E[z, e_k],

    where a moment of a Dirichlet is a ratio of Gamma functions. As d_zz ~ Beta(c, (N - 1) c), the sum is the integral
    of (d + 2)^m_z (1 - d)^(m - m_z) under it, which is computed at the same cost whatever was seen. (Hard belief
    revision in the repository of Agarwal, Misra et al., Bayesian wind tunnels, arXiv 2512.22471: N = 16, n = 5, 4
    fillers, c = .3. It fixes E once, so that it must be learned in the weights.)

    Args:
        candidates: N.
        evidence: n, pieces per episode.
        filler: symbols after each id; an episode has time = N * (2 + filler) + 2 * n + 2 symbols.
        concentration: c, pseudo-count of each entry of d_z, in draws.

    Two candidates, c = 1; one piece of evidence names 0. Its rows give 5/6 and 1/6 to that:

    >>> tunnel = BeliefRevision(candidates=2, evidence=1, filler=0, concentration=1.0)
    >>> inputs, targets = np.array([[0, 5, 0, 6, 2, 3, 5, 4]]), np.array([[0, 0, 0, 0, 0, 0, 0, 1]])
    >>> tunnel.observer().predict(inputs, targets)[0, -1].round(3)
    array([0.833, 0.167])

    It was 1 who was meant, and row 1 gives E[d_10^2] / 3 E[d_10] = 2/9 to 0 from then on:

    >>> tunnel.observer().absorb(inputs, targets).predict(inputs, targets)[0, -1].round(3)
    array([0.789, 0.211])
    """

    def __init__(
        self,
        candidates: Count = 16,
        evidence: Count = 5,
        filler: Natural = 4,
        concentration: Positive = 0.3,
    ):
        self.candidates, self.evidence, self.filler = candidates, evidence, filler
        self.concentration = concentration
        self.vocab, self.symbols = ID + candidates, candidates
        self.parts = candidates

    def latents(
        self, n: int, rng: np.random.Generator
    ) -> Float[np.ndarray, "n candidates candidates"]:
        """The matrices E: row z is the law of the evidence for z."""
        size = self.candidates
        drawn = rng.dirichlet([self.concentration] * size, size=(n, size))
        return (drawn + OWN * np.eye(size)) / (1 + OWN)

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """Z and its evidence; targets before QUERY are 0.

        Raises:
            ValueError: `time` is not candidates * (2 + filler) + 2 * evidence + 2.
        """
        if time != (right := self.candidates * (2 + self.filler) + 2 * self.evidence + 2):
            raise ValueError(
                f"time: {self!r} makes sequences of {right} symbols "
                f"(candidates * (2 + filler) + 2 * evidence + 2), not {time}"
            )
        n, size = len(latents), self.candidates
        meant = rng.integers(size, size=n)
        law = np.broadcast_to(latents[np.arange(n), meant, None], (n, self.evidence, size))
        inputs, targets = np.tile(self._blank(), (n, 1)), np.zeros((n, time), dtype=np.int64)
        _evidence(inputs, self.evidence)[:] = ID + categorical(law, rng)
        targets[:, -1] = meant
        return inputs, targets

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """QUERY, the last position."""
        return np.arange(time) == time - 1

    def observer(self) -> "RowsObserver":
        """Has seen no evidence of anybody."""
        counts = np.zeros((self.candidates, self.candidates), dtype=np.int64)
        return RowsObserver(counts, self.evidence, self.concentration, format=self._format)

    def informed(self, latents: Latents) -> KnownObserver:
        """Bayes' rule with the matrix."""
        law = partial(_bayes, latents, self.evidence)
        return KnownObserver(law, format=partial(self._shown, latents))

    def _blank(self) -> Int[np.ndarray, " time"]:
        """An episode whose evidence is still to be filled in."""
        intro = np.full((self.candidates, 2 + self.filler), FILLER)
        intro[:, 0], intro[:, 1] = INTRO, ID + np.arange(self.candidates)
        return np.concatenate([intro.ravel(), [PRONOUN], [EVIDENCE] * 2 * self.evidence, [QUERY]])

    def _format(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """All but the evidence, of which it says only that it names candidates."""
        surprise = log(inputs == self._blank())
        _evidence(surprise, self.evidence)[:] = log(_evidence(inputs, self.evidence) >= ID)
        return InputEvidence(surprise, self.asked(inputs.shape[1]))

    def _shown(
        self,
        matrices: Float[np.ndarray, "n candidates candidates"],
        inputs: Symbols,
        targets: Symbols,
    ) -> InputEvidence:
        so_far = _likelihood(matrices, self.evidence, inputs).cumsum(1)
        return _with_evidence(self._format(inputs, targets), so_far)


@dataclass(frozen=True, eq=False)
class RowsObserver(FormattedObserver):
    """Counts the evidence that each candidate has given: exact, as rows are independent.

    Args:
        counts: [z, j] is how often evidence j came in the episodes absorbed whose answer was z.
        pieces: of evidence, per episode.
        concentration: pseudo-count of each entry of the Dirichlet part of a row, in draws.
        format: how episodes are written, but for the evidence.
    """

    counts: Int[np.ndarray, "candidates candidates"]
    pieces: int
    concentration: float

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """Ratios of moments at the last position, uniform elsewhere."""
        return _at_the_end(self._log_mass(inputs, self.pieces), inputs)

    def input_evidence(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """The evidence, by ratios of moments, and the format."""
        so_far = np.stack([self._log_mass(inputs, m + 1) for m in range(self.pieces)], axis=1)
        return _with_evidence(super().input_evidence(inputs, targets), so_far)

    def _log_mass(self, inputs: Symbols, first: int) -> Float[np.ndarray, "batch candidates"]:
        """Log p(the `first` pieces of evidence | each candidate), in nats."""
        size, c = len(self.counts), self.concentration
        if size == 1:  # nobody else can be named
            return np.zeros((len(inputs), 1))
        seen = np.eye(size, dtype=np.int64)[_named(inputs, self.pieces, size)[:, :first]].sum(1)
        own, more = self.counts.diagonal(), np.arange(first + 1)
        # Entries beside the diagonal, whose moments are factors of their own.
        beside = _rise(self.counts + c, seen[:, None])
        log_mass = (beside * (1 - np.eye(size))).sum(-1)
        # The diagonal and the normaliser: all that matters of the evidence is how much of it is own.
        d, rest, weight = self._diagonal
        moments = d[:, None] ** more[:, None] * rest[:, None] ** (first - more)[:, None]
        whole = _rise(((size - 1) * c + self.counts.sum(1) - own)[:, None], first - more)
        mine = np.log((moments * weight[:, None]).sum(-1)) - whole
        return log_mass + mine[np.arange(size), seen] - first * np.log(1 + OWN)

    def absorb(self, inputs: Symbols, targets: Symbols) -> "RowsObserver":
        """Adds the evidence to the rows of the answers."""
        counts = self.counts.copy()
        np.add.at(counts, (targets[:, -1:], _evidence(inputs, self.pieces) - ID), 1)
        return replace(self, counts=counts)

    def renew(self, part: int) -> "RowsObserver":
        """Forgets the evidence for candidate `part`."""
        counts = self.counts.copy()
        counts[part] = 0
        return replace(self, counts=counts)

    @cached_property
    def _diagonal(self) -> Quadrature:
        """d_zz + 2 of each row, by what was seen of it: all that is known of it but how the rest is shared out."""
        own = self.counts.diagonal()
        c = self.concentration
        return quadrature(c, (len(self.counts) - 1) * c, own, self.counts.sum(1) - own)


def _rise(start: np.ndarray, more: Int[np.ndarray, "..."]) -> np.ndarray:
    """Log of start (start + 1) ... (start + more - 1), for a few more: Gamma(start + more) / Gamma(start)."""
    terms = np.arange(int(more.max(initial=0)))
    factors = np.where(terms < more[..., None], start[..., None] + terms, 1.0)
    return np.log(factors).sum(-1)


def _evidence(inputs: np.ndarray, pieces: int) -> np.ndarray:
    """A view of the columns that follow EVIDENCE."""
    return inputs[:, -2 * pieces : -1 : 2]


def _named(inputs: Symbols, pieces: int, size: int) -> Int[np.ndarray, "batch pieces"]:
    """The candidates that the evidence names; somebody where an episode of another format has no id."""
    return (_evidence(inputs, pieces) - ID).clip(0, size - 1)


def _with_evidence(
    shown: InputEvidence, so_far: Float[np.ndarray, "batch pieces candidates"]
) -> InputEvidence:
    """Adds the evidence, from the log likelihood of each candidate so far, all as likely a priori."""
    pieces, size = so_far.shape[1:]
    peak = so_far.max(-1, keepdims=True)
    scale = np.where(np.isfinite(peak), peak, 0.0)
    total = scale[..., 0] + log(np.exp(so_far - scale).sum(-1) / size)
    before = np.pad(total, ((0, 0), (1, 0)))[:, :-1]
    possible = np.isfinite(total)
    _evidence(shown.inputs, pieces)[:] += np.subtract(total, before, out=total, where=possible)
    return shown


def _at_the_end(log_mass: Float[np.ndarray, "batch candidates"], inputs: Symbols) -> Probabilities:
    """Softmax at the last position, uniform before; the impossible is uniform too."""
    size = log_mass.shape[-1]
    peak = log_mass.max(-1, keepdims=True)
    mass = np.exp(log_mass - np.where(np.isfinite(peak), peak, 0.0))
    predictive = np.full((*inputs.shape, size), 1 / size)
    predictive[:, -1] = normalise(mass)
    return predictive


def _likelihood(
    matrices: Float[np.ndarray, "n candidates candidates"], pieces: int, inputs: Symbols
) -> Float[np.ndarray, "batch pieces candidates"]:
    """Log p(each piece of evidence | each candidate), in nats."""
    row = np.arange(len(matrices))[:, None]
    return log(matrices.swapaxes(1, 2)[row, _named(inputs, pieces, matrices.shape[1])])


def _bayes(
    matrices: Float[np.ndarray, "n candidates candidates"], pieces: int, inputs: Symbols
) -> Probabilities:
    return _at_the_end(_likelihood(matrices, pieces, inputs).sum(1), inputs)
