"""Structural causal model with exogenous noise, asked on all three rungs of the causal ladder."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from plasticity import Count, Fraction, Natural
from streams.causal.causal_tunnel import CausalTunnel
from streams.causal.episodes import Rung
from streams.causal.mechanisms import KINDS, FunctionalMechanisms

LARGEST = 1 << 21
"""Numbers in the table of what every mechanism says of every unit, had it been another."""


class CounterfactualSCM(CausalTunnel):
    """The whole causal ladder: what is seen, what would be done, and what would have been.

    A directed acyclic graph, uniform among all; for each binary variable v a function f_v of its
    parents, uniform among the Boolean ones, and a kind of noise, one of two. In every unit each variable
    has its own exogenous U_v, and v = U_v(f_v(parents)), where with the noise level e

        | kind | U_v lets v be |
        |---|---|
        | flip | f_v with probability 1 - e/2, 1 - f_v with e/2 |
        | replace | f_v with probability 1 - e, 0 with e/2, 1 with e/2 |

    Both give p(v = f_v) = 1 - e/2, so that no observation and no intervention tells them apart: only
    answers on the third rung do (the hierarchy does not collapse: Bareinboim et al. 2022, theorem 1).
    Rungs 1 and 2 are those of SCM. A counterfactual is about the unit c of the block before, all of
    which was shown: HAD_x a', ASK_y, asked for y, with a' the other value of x. By abduction (U given c), action
    (x = a') and prediction (Pearl 2009, theorem 7.1.7), and as U is independent from variable to variable,

        p(c' | c, do(x = a')) = 1[c'_x = a'] prod_{v != x} p(c'_v | c_v, f_v(c), f_v(c'), kind of v),

    shown whole after its y like any unit. (If c was made by do(w), U_w is as it is a priori.) So given the graph
    mechanisms stay independent: finitely many per variable and parents, each weighed by its likelihood.

    Args:
        variables: of a unit, 2 to 5; 5 only with `parents` of 2 at most.
        noise: e, probability that the function is not what decides; above 0.
        parents: of a variable, at most; null: any number.
        asks: the rungs, in turn; no counterfactual is first or follows another. Episodes are made of
            whole turns.
        graded: those of them that are asked (graded and learned from); null: all. The others are shown.

    Raises:
        ValueError: an argument is out of range; the message names it.

    The unit 1 1 is shown, and nothing is known: had x been 0, y had been 0 with probability

    >>> tunnel = CounterfactualSCM(variables=2, noise=0.2, asks=["association", "counterfactual"])
    >>> inputs, targets = np.array([[4, 1, 3, 1, 8, 0, 3, 0]]), np.array([[0, 0, 1, 0, 0, 0, 0, 0]])
    >>> tunnel.observer().predict(inputs, targets)[0, 6].round(3)
    array([0.15, 0.85])
    """

    def __init__(
        self,
        variables: Count = 3,
        noise: Fraction = 0.2,
        parents: Natural | None = None,
        asks: Sequence[Rung] = ("association", "counterfactual", "intervention"),
        graded: Sequence[Rung] | None = None,
    ):
        if not 0 < noise <= 1:
            raise ValueError(f"noise: expected above 0 and up to 1, got {noise}")
        super().__init__(variables, 2, parents, asks, graded)
        self.noise = noise
        contexts = 2**self.most
        if contexts > 8 or variables * 4**variables * self.mechanisms.size > LARGEST:
            raise ValueError(
                f"parents: expected 2 at most with {variables} variables, got {self.most}: "
                f"there are {2**contexts:,} functions of so many"
            )

    @property
    def mechanisms(self) -> FunctionalMechanisms:
        """Functions and noise."""
        return FunctionalMechanisms(self.variables, self.most, self.noise)

    def latents(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n rows columns"]:
        """Values of the functions, which count where all but the parents are 0, and the kind; the parents."""
        found = rng.integers(2, size=(n, self.variables + 1, 2**self.variables + 1))
        found[:, : self.variables, -1] = rng.integers(KINDS, size=(n, self.variables))
        found[:, -1] = 0
        found[:, -1, : self.variables] = self._graphs(n, rng)
        return found
