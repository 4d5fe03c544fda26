"""Mechanisms of a causal graph: conditional tables with Dirichlet priors, and functions with exogenous noise."""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int

from plasticity import Latents, log
from streams.causal.graphs import Laws, alike, parent_sets, units, zeroed
from streams.causal.observers import Knowledge, Mechanisms, Real

RESPONSE = np.array([[0, 1], [1, 0], [0, 0], [1, 1]])
"""The value, from what noise does (obey, defy, be 0, be 1) and the function of the parents."""
KINDS = 2
"""Of noise: it obeys or defies; it obeys or is a constant."""


@dataclass(frozen=True)
class DirichletMechanisms(Mechanisms):
    """One law for each variable and values of its parents, each Dirichlet; what is known are counts of units.

    Args:
        variables: of a unit.
        values: of a variable.
        most: parents of a variable, at most.
        concentration: pseudo-count of each value, in units.
    """

    variables: int
    values: int
    most: int
    concentration: float

    @property
    def size(self) -> int:
        """A count of every unit, for each variable: of how many obeyed its law."""
        return self.values**self.variables

    def known(self, latents: Latents, real: Real | None) -> Laws:
        """Rows of the latent at the values of the parents, and 0 for the other variables."""
        every = np.arange(self.variables)
        parents = latents[:, -1, : self.variables].astype(np.int64)
        place = zeroed(self.variables, self.values)[parents | 1 << every]
        return np.take_along_axis(latents[:, : self.variables], place, -1)

    def laws(
        self, knowledge: Knowledge, real: Real | None
    ) -> Float[np.ndarray, "variables batch sets units"]:
        """Means of the Dirichlet posteriors."""
        with_value, without = _overlaps(self.variables, self.values, self.most)
        shape = *knowledge.shape[:2], -1, self.size
        seen = (knowledge @ with_value).reshape(shape) + self.concentration
        return seen / ((knowledge @ without).reshape(shape) + self.values * self.concentration)

    def gain(
        self, unit: Int[np.ndarray, " batch"], real: Real | None
    ) -> Float[np.ndarray, "variables batch size"]:
        """One unit more."""
        return np.broadcast_to(np.eye(self.size)[unit], (self.variables, len(unit), self.size))

    def score(
        self, knowledge: Float[np.ndarray, "variables size"]
    ) -> Float[np.ndarray, "variables sets"]:
        """Dirichlet-multinomial: prod_p G(kc) / G(kc + N_p) prod_k G(c + N_pk) / G(c), G the Gamma function."""
        with_value, without = _overlaps(self.variables, self.values, self.most)
        cells, rows = _first(self.variables, self.values, self.most)
        shape, whole = cells.shape, self.values * self.concentration
        each = (knowledge[:, None] @ with_value).reshape(shape) + self.concentration
        total = (knowledge[:, None] @ without).reshape(shape) + whole
        gammaln = scipy.special.gammaln
        nats = (gammaln(each) - gammaln(self.concentration)) * cells
        return (nats - (gammaln(total) - gammaln(whole)) * rows).sum(-1)


@cache
def _overlaps(
    variables: int, values: int, most: int
) -> tuple[
    Float[np.ndarray, "variables units columns"], Float[np.ndarray, "variables units columns"]
]:
    """Which units count for a law: those with the same parents and value; those with the same parents."""
    same, sets = alike(variables, values).astype(float), parent_sets(variables, most)
    own = 1 << np.arange(variables)[:, None]
    with_value, without = (
        np.moveaxis(same[each], 2, 1).reshape(variables, values**variables, -1)
        for each in (sets | own, sets)
    )
    return with_value, without


@cache
def _first(
    variables: int, values: int, most: int
) -> tuple[Bool[np.ndarray, "variables sets units"], Bool[np.ndarray, "variables sets units"]]:
    """One unit for each values of the parents and of the variable; one for each values of the parents."""
    place, sets = zeroed(variables, values), parent_sets(variables, most)
    own, every = 1 << np.arange(variables)[:, None], np.arange(values**variables)
    return place[sets | own] == every, place[sets] == every


@dataclass(frozen=True)
class FunctionalMechanisms(Mechanisms):
    """A Boolean function of the parents, and noise of one of two kinds; what is known are log likelihoods.

    Args:
        variables: of a unit.
        most: parents of a variable, at most.
        noise: probability that the function is not what decides.
    """

    variables: int
    most: int
    noise: float

    @property
    def size(self) -> int:
        """Every function of every set of parents, with every kind of noise."""
        return len(_library(self.variables, self.most).kinds)

    def known(self, latents: Latents, real: Real | None) -> Laws:
        """By the function and the noise; of a real unit imagined, given what the noise did there."""
        n = self.variables
        digits, kinds = units(n, 2).T, latents[:, :n, -1:]
        place = zeroed(n, 2)[latents[:, -1, :n]]
        says = np.take_along_axis(latents[:, :n], place, -1)
        single, imagined = response(self.noise)
        new = single[kinds, says, digits]
        if real is None:
            return new
        was = digits[:, real.unit].T[..., None]
        said = np.take_along_axis(says, np.broadcast_to(real.unit[:, None, None], was.shape), -1)
        unset = np.arange(n) != real.done[:, None]
        return np.where(unset[..., None], imagined[kinds, said, was, says, digits], new)

    def laws(
        self, knowledge: Knowledge, real: Real | None
    ) -> Float[np.ndarray, "variables batch sets units"]:
        """Means over functions and kinds, each weighed by its likelihood."""
        starts = _library(self.variables, self.most).starts
        weights, _ = self._weights(knowledge)
        said = np.add.reduceat(weights[..., None] * self._said(real), starts, axis=2)
        total = np.add.reduceat(weights, starts, axis=2)[..., None]
        return np.divide(said, total, out=np.full_like(said, 0.5), where=total > 0)

    def gain(
        self, unit: Int[np.ndarray, " batch"], real: Real | None
    ) -> Float[np.ndarray, "variables batch size"]:
        """The log likelihood of its value, for each mechanism of each variable."""
        return log(np.take_along_axis(self._said(real), unit[None, :, None, None], -1)[..., 0])

    def score(
        self, knowledge: Float[np.ndarray, "variables size"]
    ) -> Float[np.ndarray, "variables sets"]:
        """Log of the mean likelihood over functions and kinds."""
        starts = _library(self.variables, self.most).starts
        weights, peaks = self._weights(knowledge)
        count = np.diff([*starts, self.size])
        return log(np.add.reduceat(weights, starts, axis=-1) / count) + peaks

    def _said(self, real: Real | None) -> Float[np.ndarray, "variables batch size units"]:
        """What each mechanism says of the value of its variable in each unit."""
        single, imagined = _said(self.variables, self.most, self.noise)
        if real is None:
            return single[:, None]
        set_there = np.arange(self.variables)[:, None] == real.done
        return np.where(set_there[..., None, None], single[:, None], imagined[:, real.unit])

    def _weights(
        self, knowledge: Float[np.ndarray, "variables *batch size"]
    ) -> tuple[
        Float[np.ndarray, "variables *batch size"], Float[np.ndarray, "variables *batch sets"]
    ]:
        """Likelihoods over the largest with the same parents, and the log of that one."""
        starts = _library(self.variables, self.most).starts
        peaks = np.maximum.reduceat(knowledge, starts, axis=-1)
        peaks = np.where(np.isfinite(peaks), peaks, 0.0)
        count = np.diff([*starts, self.size])
        return np.exp(knowledge - np.repeat(peaks, count, axis=-1)), peaks


class Library(NamedTuple):
    """Every Boolean function of every set of parents, with every kind of noise."""

    says: Int[np.ndarray, "variables size units"]
    """The value of the function in each unit."""
    kinds: Int[np.ndarray, " size"]
    starts: Int[np.ndarray, " sets"]
    """Where the functions of each set begin."""


@cache
def _library(variables: int, most: int) -> Library:
    table, every = units(variables, 2), list[np.ndarray]()
    for sets in parent_sets(variables, most):
        says = list[np.ndarray]()
        for mask in sets:
            members = np.flatnonzero(mask >> np.arange(variables) & 1)
            context = table[:, members] @ (1 << np.arange(len(members)))
            functions = np.arange(1 << (1 << len(members)))[:, None]
            says.append(np.tile(functions >> context & 1, (KINDS, 1)))
        every.append(np.concatenate(says))
    sizes = [KINDS << (1 << int(mask).bit_count()) for mask in parent_sets(variables, most)[0]]
    kinds = np.concatenate([np.repeat(np.arange(KINDS), size // KINDS) for size in sizes])
    return Library(np.array(every), kinds, np.cumsum([0, *sizes[:-1]]))


@cache
def response(
    noise: float,
) -> tuple[Float[np.ndarray, "kinds 2 2"], Float[np.ndarray, "kinds 2 2 2 2"]]:
    """p(v | kind, f) and p(v' | kind, f, v, f'): of a unit, and of the same one had f been f'.

    Args:
        noise: probability that the function is not what decides; above 0.

    Both kinds of noise look alike; they differ in what would have been. A value of 1 where the function
    says 0 was defiance (then it would have been 0), or it was 1 anyway:

    >>> single, imagined = response(0.5)
    >>> single[:, 0].tolist(), imagined[:, 0, 1, 1].tolist()
    ([[0.75, 0.25], [0.75, 0.25]], [[1.0, 0.0], [0.0, 1.0]])
    """
    law = np.array([[1 - noise / 2, noise / 2, 0, 0], [1 - noise, 0, noise / 2, noise / 2]])
    hit = np.eye(2)[RESPONSE]
    single = np.einsum("ku,ufv->kfv", law, hit)
    both = np.einsum("ku,ufv,ugw->kfvgw", law, hit, hit)
    return single, both / single[..., None, None]


@cache
def _said(
    variables: int, most: int, noise: float
) -> tuple[
    Float[np.ndarray, "variables size units"], Float[np.ndarray, "variables units size units"]
]:
    """p(value in c), and p(value in c | value in the real unit), for each mechanism; the latter by real unit."""
    says, kinds, _ = _library(variables, most)
    digits, (single, imagined) = units(variables, 2).T[:, None], response(noise)
    new = single[kinds[:, None], says, digits]
    was, said = digits.swapaxes(1, 2)[..., None], says.swapaxes(1, 2)[..., None]
    return new, imagined[kinds[:, None], said, was, says[:, None], digits[:, None]]
