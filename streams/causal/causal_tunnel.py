"""Base of the causal tunnels: structural causal models over discrete variables."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from plasticity import Hypotheses, Latents, Symbols, Tunnel, normalise
from streams.causal.episodes import ASSOCIATION, COUNTERFACTUAL, RUNGS, Blocks, Ladder, Rung
from streams.causal.graph_edits import Kind, edits, moves
from streams.causal.graphs import confounding, dags, joint, parent_sets, units
from streams.causal.observers import GraphObserver, GraphsObserver, KnownLadder, Mechanisms, real
from streams.tunnels.urn import categorical

SAME = 1e-9
"""Two probabilities that differ by less are one."""


class CausalTunnel(Tunnel):
    """What causal tunnels have in common: graphs, the format of episodes, and who reads them.

    A latent has one row per variable, its mechanism whatever its parents, and a last row with the
    bit mask of the parents of each. The rows of the variables are its parts.
    """

    def __init__(
        self,
        variables: int,
        values: int,
        parents: int | None,
        asks: Sequence[Rung],
        graded: Sequence[Rung] | None,
        rungs: Sequence[Rung] = RUNGS,
    ):
        if not 2 <= variables <= 5:
            raise ValueError(f"variables: expected 2 to 5, got {variables}")
        if values < 2:
            raise ValueError(f"values: expected at least 2, got {values}")
        wanted = asks if graded is None else graded
        for name, chosen, known in (("asks", asks, rungs), ("graded", wanted, asks)):
            if not (chosen and set(chosen) <= set(known)):
                raise ValueError(
                    f"{name}: expected some of {', '.join(known)}, got {', '.join(chosen) or 'none'}"
                )
        for before, rung in zip(["counterfactual", *asks], asks, strict=False):
            if rung == before == "counterfactual":
                raise ValueError(
                    "asks: expected another rung before each counterfactual, which is of the unit "
                    f"before it, got {list(asks)}"
                )
        self.variables, self.values, self.parents = variables, values, parents
        self.asks, self.graded = list(asks), None if graded is None else list(graded)
        self.most = variables - 1 if parents is None else min(parents, variables - 1)
        self.ladder = Ladder(variables, values, tuple(asks))
        self.vocab, self.symbols = values + (1 + len(rungs)) * variables, values
        self.parts = variables

    @property
    @abstractmethod
    def mechanisms(self) -> Mechanisms:
        """How variables obey their parents."""

    def draw(
        self, latents: Latents, time: int, rng: np.random.Generator
    ) -> tuple[Symbols, Symbols]:
        """A unit per block, from the truncated factorisation.

        Raises:
            ValueError: `time` is not made of whole turns of (variables + 2) symbols per block.
        """
        self.ladder.require(time)
        rungs, table = self.ladder.rungs(time), units(self.variables, self.values)
        shape = len(latents), len(rungs)
        cause = rng.integers(self.variables, size=shape)
        effect = (cause + rng.integers(1, self.variables, size=shape)) % self.variables
        blocks = Blocks(cause, effect, np.zeros(shape, dtype=np.int64), rungs)
        value = rng.integers(self.values, size=shape)
        other = rng.integers(1, self.values, size=shape)
        for q, rung in enumerate(rungs):
            mass = joint(self.mechanisms.known(latents, real(blocks, q)), blocks.done[:, q])
            if rung != ASSOCIATION:
                set_to = value[:, q]
                if rung == COUNTERFACTUAL:
                    set_to = table[blocks.unit[:, q - 1], cause[:, q]] + other[:, q]
                mass = mass * (table.T[cause[:, q]] == set_to[:, None] % self.values)
            blocks.unit[:, q] = categorical(normalise(mass), rng)
        return self.ladder.write(blocks)

    def asked(self, time: int) -> Bool[np.ndarray, " time"]:
        """The second variable of each block, where its rung is graded."""
        wanted = [1 + RUNGS.index(rung) for rung in self.graded or self.asks]
        return np.isin(self.rung(time), wanted)

    def rung(self, time: int) -> Int[np.ndarray, " time"]:
        """1 where an association is asked, 2 an intervention, 3 a counterfactual; 0: nothing is."""
        rungs = self.ladder.rungs(time + self.ladder.block)
        place = np.arange(time)
        return np.where(place % self.ladder.block == 2, rungs[place // self.ladder.block], 0)

    def observer(self) -> GraphsObserver:
        """Every graph is as likely as any other, and nothing is known of any mechanism."""
        graphs = dags(self.variables, self.most)
        knowledge = np.zeros((self.variables, self.mechanisms.size))
        return GraphsObserver(
            self.ladder, self.mechanisms, graphs, np.zeros(len(graphs)), knowledge
        )

    def informed(self, latents: Latents) -> KnownLadder:
        """The truncated factorisation under the graph and the mechanisms."""
        return KnownLadder(self.ladder, self.mechanisms, latents)

    def hypotheses(self) -> Hypotheses:
        """Every graph; its mechanisms are integrated out, and an intervention leaves out those it replaces."""
        masks = self._masks()
        code = 1 << self.variables * np.arange(self.variables)
        number = {int(key): g for g, key in enumerate(masks @ code)}

        def of(latents: Latents) -> Int[np.ndarray, " n"]:
            parents = latents[:, -1, : self.variables].astype(np.int64)
            return np.array([number[key] for key in (parents @ code).tolist()])

        def given(which: Int[np.ndarray, " n"]) -> GraphObserver:
            graphs = dags(self.variables, self.most)[which]
            knowledge = np.zeros((self.variables, self.mechanisms.size))
            return GraphObserver(self.ladder, self.mechanisms, graphs, knowledge)

        return Hypotheses(np.full(len(masks), 1 / len(masks)), of, given)

    def confounding(self, latents: Latents) -> Float[np.ndarray, "n variables variables"]:
        """KL(p(y | do(x)) || p(y | x)) in bits, for every x (axis 1) and y (axis 2); the mean over values of x.

        So much the association-only baseline loses on the second rung, even if it knows all laws.
        """
        return confounding(self.mechanisms.known(latents, None), self.values)

    def differ(self, one: Latents, other: Latents) -> bool:
        """Whether two latents have another law of what is seen, or of what would be done by setting a variable."""
        a, b = (self.mechanisms.known(latent, None) for latent in (one, other))
        done = [None, *(np.array([v]) for v in range(self.variables))]
        return not all(np.allclose(joint(a, v), joint(b, v), rtol=0, atol=SAME) for v in done)

    def revise(self, latents: Latents, kind: Kind, rng: np.random.Generator) -> tuple[Latents, int]:
        """One latent after a change of this kind, and the change as `GraphsObserver.renew` takes it.

        A mechanism: that of a uniform variable is drawn anew. A reversal or a confounder: uniform among
        the edits that the graph allows, and the mechanisms of the variables whose parents change are
        drawn anew; a graph that allows none stays as it is.
        """
        fresh, after = self.latents(1, rng), latents.copy()
        part = int(rng.integers(self.variables))
        changed = [part]
        if kind != "mechanism":
            graphs = self._masks()
            parents = latents[0, -1, : self.variables]
            now, law = int((graphs == parents).all(1).argmax()), moves(self.variables, self.most)
            kin = [i for i, edit in enumerate(edits(self.variables)) if edit.kind == kind]
            edit = int(rng.choice(kin, p=law.chance[kin, now]))
            after[0, -1, : self.variables] = graphs[law.to[edit, now]]
            part, changed = self.variables + edit, edits(self.variables)[edit].changed
        after[:, changed] = fresh[:, changed]
        return after, part

    def _graphs(self, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n variables"]:
        """Bit masks of the parents, of graphs drawn uniformly."""
        masks = self._masks()
        return masks[rng.integers(len(masks), size=n)]

    def _masks(self) -> Int[np.ndarray, "graphs variables"]:
        """Bit masks of the parents, of every graph."""
        every = np.arange(self.variables)
        return parent_sets(self.variables, self.most)[every, dags(self.variables, self.most)]
