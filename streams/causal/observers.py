"""Observers of causal tunnels: a posterior over graphs, or the known graph."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from plasticity import InputEvidence, Latents, Observer, Probabilities, Symbols, log, normalise
from streams.causal.episodes import COUNTERFACTUAL, Blocks, Ladder
from streams.causal.graph_edits import edits, moves
from streams.causal.graphs import Graphs, Laws, joint

Masses = Float[np.ndarray, "batch blocks units"]
Knowledge = Float[np.ndarray, "variables batch size"]
"""What is known of the mechanism of each variable, whatever its parents; it adds up over units."""
CELLS = 1 << 20
"""Numbers held at once: long batches are cut by it."""


class Real(NamedTuple):
    """The unit that a counterfactual is about."""

    unit: Int[np.ndarray, " batch"]
    done: Int[np.ndarray, " batch"]
    """The variable that was set in it, or -1."""


class Mechanisms(ABC):
    """How variables obey their parents, and what is known of it: independent from variable to variable."""

    most: int
    """Parents of a variable, at most."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Of what is known of one variable."""

    @abstractmethod
    def known(self, latents: Latents, real: Real | None) -> Laws:
        """p(value of v in c | its parents in c) under each latent, of a new unit or of a real one imagined."""

    @abstractmethod
    def laws(
        self, knowledge: Knowledge, real: Real | None
    ) -> Float[np.ndarray, "variables batch sets units"]:
        """The same by what is known, for each of the sets that may be the parents."""

    @abstractmethod
    def gain(
        self, unit: Int[np.ndarray, " batch"], real: Real | None
    ) -> Float[np.ndarray, "variables batch size"]:
        """What a unit adds to the knowledge of each variable that obeyed its law in it."""

    @abstractmethod
    def score(
        self, knowledge: Float[np.ndarray, "variables size"]
    ) -> Float[np.ndarray, "variables sets"]:
        """Log p(what is known of a variable | its parents), in nats, up to a constant."""


def real(blocks: Blocks, block: int) -> Real | None:
    """The unit that a block imagines otherwise: the one before; None: it is about a new one."""
    if blocks.rungs[block] != COUNTERFACTUAL:
        return None
    return Real(blocks.unit[:, block - 1], blocks.done[:, block - 1])


@dataclass(frozen=True, eq=False)
class LadderObserver(Observer):
    """Reads blocks, and leaves to subclasses how likely each unit is.

    Args:
        ladder: how episodes are written.
        mechanisms: how variables obey their parents.
    """

    ladder: Ladder
    mechanisms: Mechanisms

    @abstractmethod
    def foretold(self, blocks: Blocks) -> Masses:
        """p(unit | state, the blocks before) by the truncated factorisation."""

    def predict(self, inputs: Symbols, targets: Symbols) -> Probabilities:
        """What the joints say of the variable that is asked; uniform elsewhere."""
        blocks = self.ladder.read(inputs)
        return self.ladder.answers(blocks, self.foretold(blocks), inputs.shape[1])

    def input_evidence(self, inputs: Symbols, targets: Symbols) -> InputEvidence:
        """All values but the answers."""
        return self.ladder.surprise(inputs, targets, self.foretold(self.ladder.read(inputs)))


@dataclass(frozen=True, eq=False)
class KnownLadder(LadderObserver):
    """Knows graph and mechanisms of each episode, and learns nothing.

    Args:
        latents: of each row, or one for all.
    """

    latents: Latents

    def foretold(self, blocks: Blocks) -> Masses:
        """The truncated factorisation of the true laws."""
        found = np.empty((*blocks.unit.shape, self.ladder.units))
        for q in range(len(blocks.rungs)):
            laws = self.mechanisms.known(self.latents, real(blocks, q))
            found[:, q] = joint(laws, blocks.done[:, q])
        return found

    def absorb(self, inputs: Symbols, targets: Symbols) -> "KnownLadder":
        """Itself."""
        return self


@dataclass(frozen=True, eq=False)
class GraphObserver(LadderObserver):
    """Knows the graph of each episode, and of each variable's mechanism what was seen of it: exact.

    p(c | past, g) = prod_v E[p(c_v | c_parents(g, v)) | past], with v over the variables that were not set.

    Args:
        graphs: of each row, or one for all.
        knowledge: of the mechanism of each variable; 0: nothing.
    """

    graphs: Graphs
    knowledge: Float[np.ndarray, "variables size"]

    def foretold(self, blocks: Blocks) -> Masses:
        """The truncated factorisation of the expected laws."""
        batch, count = blocks.unit.shape
        graphs = np.broadcast_to(self.graphs, (batch, self.graphs.shape[1]))
        knowledge = np.repeat(self.knowledge[:, None], batch, axis=1)
        found = np.empty((batch, count, self.ladder.units))
        for q in range(count):
            before, done = real(blocks, q), blocks.done[:, q]
            laws = self.mechanisms.laws(knowledge, before)
            own = np.take_along_axis(laws, graphs.T[..., None, None], 2)[:, :, 0]
            found[:, q] = joint(np.moveaxis(own, 0, 1), done)
            knowledge = knowledge + gained(self.mechanisms, blocks, q)
        return found

    def absorb(self, inputs: Symbols, targets: Symbols) -> "GraphObserver":
        """Adds every unit to the knowledge of its mechanisms."""
        blocks, knowledge = self.ladder.read(inputs), self.knowledge
        for q in range(len(blocks.rungs)):
            knowledge = knowledge + gained(self.mechanisms, blocks, q).sum(1)
        return replace(self, knowledge=knowledge)


@dataclass(frozen=True, eq=False)
class GraphsObserver(LadderObserver):
    """Weighs every graph, and knows of each variable's mechanism what was seen of it: exact.

    Units are shown whole, so that given the graph the mechanisms stay independent, and

        p(c | past) = sum_g p(g | past) prod_v E[p(c_v | c_parents(g, v)) | past],
        p(g | past) ~ p(g) prod_v p(past values of v | past values of parents(g, v)),

    with v over the variables that were not set: an intervention says nothing of the mechanism it
    replaces (Cooper & Yoo 1999, arXiv 1301.6686).

    Args:
        graphs: which parents each variable has in each graph, as an index into its sets.
        log_weights: log p(graph | what was absorbed), in nats, up to a constant.
        knowledge: of the mechanism of each variable; 0: nothing.
    """

    graphs: Graphs
    log_weights: Float[np.ndarray, " graphs"]
    knowledge: Float[np.ndarray, "variables size"]

    def foretold(self, blocks: Blocks) -> Masses:
        """The mixture over graphs, each weighed by its running posterior."""
        rows = max(1, CELLS // (len(self.graphs) * self.ladder.units))
        parts = range(0, len(blocks.unit), rows)
        found = [self._foretold(blocks.rows(slice(i, i + rows))) for i in parts]
        return np.concatenate(found) if found else np.empty((*blocks.unit.shape, self.ladder.units))

    def _foretold(self, blocks: Blocks) -> Masses:
        batch, count = blocks.unit.shape
        every = np.arange(batch)
        log_weights = np.repeat(self.log_weights[None], batch, axis=0)
        knowledge = np.repeat(self.knowledge[:, None], batch, axis=1)
        found = np.empty((batch, count, self.ladder.units))
        for q in range(count):
            before, done, unit = real(blocks, q), blocks.done[:, q], blocks.unit[:, q]
            laws = self.mechanisms.laws(knowledge, before)
            mass = self._joint(laws, done)
            found[:, q] = (_posterior(log_weights)[:, None] @ mass)[:, 0]
            log_weights += log(mass[every, :, unit])
            knowledge += gained(self.mechanisms, blocks, q)
        return found

    def state(self) -> dict[str, Any]:
        """What was seen; how episodes are written and variables obey is the tunnel's."""
        return {"log_weights": self.log_weights, "knowledge": self.knowledge}

    def absorb(self, inputs: Symbols, targets: Symbols) -> "GraphsObserver":
        """Adds every unit to the knowledge of its mechanisms, and weighs the graphs by what that was worth."""
        blocks, knowledge = self.ladder.read(inputs), self.knowledge
        for q in range(len(blocks.rungs)):
            knowledge = knowledge + gained(self.mechanisms, blocks, q).sum(1)
        with np.errstate(invalid="ignore"):  # what was impossible before stays so
            worth = self.mechanisms.score(knowledge) - self.mechanisms.score(self.knowledge)
        worth = np.nan_to_num(worth, nan=-np.inf, neginf=-np.inf)
        return self.weighed(self.log_weights + _chosen(worth, self.graphs).sum(0), knowledge)

    def weighed(
        self,
        log_weights: Float[np.ndarray, " graphs"],
        knowledge: Float[np.ndarray, "variables size"],
    ) -> "GraphsObserver":
        """Another state about the same world."""
        peak = log_weights.max()
        log_weights = log_weights - (peak if np.isfinite(peak) else 0.0)
        return replace(self, log_weights=log_weights, knowledge=knowledge)

    def renew(self, part: int) -> "GraphsObserver":
        """Forgets the mechanism of variable `part`; of the graph it knows what it knew.

        A `part` of `variables` or more is an edit of the graph, as `CausalTunnel.revise` makes it: the graphs
        become others, weighed by the chance of just this edit, and the variables it changes are forgotten.
        """
        variables = len(self.knowledge)
        knowledge, changed, log_weights = self.knowledge.copy(), [part], self.log_weights
        if part >= variables:
            law, which = moves(variables, self.mechanisms.most), part - variables
            changed, allowed = edits(variables)[which].changed, law.to[which] >= 0
            log_weights = np.full(len(self.graphs), -np.inf)
            weighed = self.log_weights + log(law.chance[which])
            log_weights[law.to[which, allowed]] = weighed[allowed]
        knowledge[changed] = 0.0
        return self.weighed(log_weights, knowledge)

    def _joint(
        self,
        laws: Float[np.ndarray, "variables batch sets units"],
        done: Int[np.ndarray, " batch"],
    ) -> Float[np.ndarray, "batch graphs units"]:
        """The truncated factorisation under every graph."""
        found = np.ones(())
        for v, (law, parents) in enumerate(zip(laws, self.graphs.T, strict=True)):
            kept = np.where((done == v)[:, None, None], 1.0, law)
            found = found * kept[:, parents]
        return found


def gained(mechanisms: Mechanisms, blocks: Blocks, block: int) -> Knowledge:
    """What the units of a block add to the knowledge of each variable, but for the one that was set."""
    gain = mechanisms.gain(blocks.unit[:, block], real(blocks, block))
    kept = np.arange(len(gain))[:, None] != blocks.done[:, block]
    return np.where(kept[..., None], gain, 0.0)


def _posterior(log_weights: Float[np.ndarray, "batch graphs"]) -> Float[np.ndarray, "batch graphs"]:
    peak = log_weights.max(-1, keepdims=True)
    return normalise(np.exp(log_weights - np.where(np.isfinite(peak), peak, 0.0)))


def _chosen(
    table: Float[np.ndarray, "variables sets"], graphs: Graphs
) -> Float[np.ndarray, "variables graphs"]:
    return np.take_along_axis(table, graphs.T, axis=1)
