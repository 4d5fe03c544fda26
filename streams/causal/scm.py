"""Structural causal model: a graph and its mechanisms, both unknown, asked for observations and interventions."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from plasticity import Count, Natural, Positive
from streams.causal.causal_tunnel import CausalTunnel
from streams.causal.mechanisms import DirichletMechanisms


class SCM(CausalTunnel):
    """The causal ladder's first two rungs: what is y where x is seen to be a, and where x is made a?

    A directed acyclic graph, uniform among all, and for each variable v and values of its parents a
    law theta_v[parents] ~ Dirichlet(concentration, ...). A unit is one draw of all variables; where x
    is set, by do(x = a), its law is left out and the others hold (Pearl 2009, 1.37):

        p(c | do(x = a)) = 1[c_x = a] prod_{v != x} theta_v[c_parents(v), c_v].

    Blocks of variables + 2 symbols each show one new unit, in turns over `asks`:

        SEE_x a ASK_y, asked for y: p(y | x = a) = sum_{c_x = a, c_y = y} p(c) / sum_{c_x = a} p(c);
        DO_x a ASK_y, asked for y: p(y | do(x = a)) = sum_{c_y = y} p(c | do(x = a));

    and then y and the values of all other variables, ascending. So what is asked is a marginal of one
    unit, while what is learned from it is the whole unit, and stays conjugate: with N_v the units in which
    v was not set, E[theta_v[p, k] | past] = (concentration + N_v[p, k]) / sum over k of the same, and
    graphs are weighed by the Dirichlet-multinomial of those counts (Cooper & Herskovits 1992, theorem 1;
    Cooper & Yoo 1999, arXiv 1301.6686). x and y are uniform, and so is a where it is set. The prior of the
    laws is one and the same for every parent set, so that observations tell something of directions too.

    Args:
        variables: of a unit, 2 to 5. There are 3, 25, 543, 29,281 graphs; 5 is slow without `parents`.
        values: of a variable.
        concentration: pseudo-count of each value, in units; below 1 mechanisms are peaked.
        parents: of a variable, at most; null: any number.
        asks: the rungs, in turn; episodes are made of whole turns.
        graded: those of them that are asked (graded and learned from); null: all. The others are shown.

    Raises:
        ValueError: an argument is out of range; the message names it.

    Nothing is known; x is set to 0, and y is 0. If x were set to 1? Where x causes y (one graph of three)
    that law is unknown, 1/2; else y is as it was, (1 + 1) / (2 + 1):

    >>> tunnel = SCM(variables=2, concentration=1.0, asks=["intervention"])
    >>> inputs, targets = np.array([[6, 0, 3, 0, 6, 1, 3, 0]]), np.array([[0, 0, 0, 0, 0, 0, 0, 0]])
    >>> tunnel.observer().predict(inputs, targets)[0, [2, 6]].round(3)
    array([[0.5  , 0.5  ],
           [0.611, 0.389]])
    """

    def __init__(
        self,
        variables: Count = 3,
        values: Count = 2,
        concentration: Positive = 0.5,
        parents: Natural | None = None,
        asks: Sequence[Literal["association", "intervention"]] = ("association", "intervention"),
        graded: Sequence[Literal["association", "intervention"]] | None = None,
    ):
        super().__init__(variables, values, parents, asks, graded, ("association", "intervention"))
        self.concentration = concentration

    @property
    def mechanisms(self) -> "DirichletMechanisms":
        """A law for each value of the parents."""
        return DirichletMechanisms(self.variables, self.values, self.most, self.concentration)

    def latents(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n rows units"]:
        """Laws given all other variables, of which those count where all but the parents are 0; the parents."""
        size, count = self.values, self.values ** (self.variables - 1)
        drawn = rng.dirichlet([self.concentration] * size, size=(n, self.variables, count))
        cube = drawn.reshape(n, self.variables, *[size] * self.variables)
        found = np.zeros((n, self.variables + 1, size**self.variables))
        for v in range(self.variables):
            found[:, v] = np.moveaxis(cube[:, v], -1, 1 + v).reshape(n, -1)
        found[:, -1, : self.variables] = self._graphs(n, rng)
        return found
