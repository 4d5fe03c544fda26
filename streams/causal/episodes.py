"""Episode format of the causal tunnels: observations, interventions and counterfactuals, rung by rung."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from plasticity import InputEvidence, Probabilities, Symbols, log, normalise
from streams.causal.graphs import alike, units

Rung = Literal["association", "intervention", "counterfactual"]
"""Of the ladder of causation: what is seen, what would be done, what would have been."""
RUNGS: tuple[Rung, ...] = ("association", "intervention", "counterfactual")
ASSOCIATION, INTERVENTION, COUNTERFACTUAL = 1, 2, 3
Each = Int[np.ndarray, "batch blocks"]


class Blocks(NamedTuple):
    """What the blocks of a batch of episodes say."""

    cause: Each
    """The variable that is seen, done or imagined."""
    effect: Each
    """The variable that is asked."""
    unit: Each
    """All values, as an index into `units`."""
    rungs: Int[np.ndarray, " blocks"]
    """1 to 3: which question each block asks."""

    @property
    def done(self) -> Each:
        """The variable that obeys no law of its own in this block; -1: all do."""
        return np.where(self.rungs == ASSOCIATION, -1, self.cause)

    def rows(self, rows: slice) -> "Blocks":
        """Those of some episodes."""
        return Blocks(self.cause[rows], self.effect[rows], self.unit[rows], self.rungs)


@dataclass(frozen=True)
class Ladder:
    """The format of the episodes: one unit per block, shown value by value, of which the second is asked.

    | block | tokens |
    |---|---|
    | association | SEE_x, value of x, ASK_y, value of y, the other values in order |
    | intervention | DO_x, value of x, ASK_y, ... likewise, of a new unit whose x was set, not caused |
    | counterfactual | HAD_x, another value of x, ASK_y, ... of the unit of the block before, had it been so |

    Args:
        variables: of a unit.
        values: of a variable.
        asks: the rungs, in turn; an episode is made of whole turns.
    """

    variables: int
    values: int
    asks: tuple[Rung, ...]

    @property
    def units(self) -> int:
        """How many units there are."""
        return self.values**self.variables

    @property
    def block(self) -> int:
        """Symbols per block: the variables' values, and two words."""
        return self.variables + 2

    def rungs(self, time: int) -> Int[np.ndarray, " blocks"]:
        """Which question each block asks: 1, 2 or 3."""
        turn = [1 + RUNGS.index(rung) for rung in self.asks]
        return np.resize(turn, time // self.block)

    def require(self, time: int) -> None:
        """Refuse a length that is not made of whole turns."""
        turn = self.block * len(self.asks)
        if time < 1 or time % turn:
            raise ValueError(
                f"time: expected a multiple of {turn} ({len(self.asks)} blocks of variables + 2 = "
                f"{self.block} symbols, one for each of asks), got {time}"
            )

    def order(self, cause: Each, effect: Each) -> Int[np.ndarray, "batch blocks variables"]:
        """The variables as they are shown: cause, effect, the others ascending."""
        every = np.arange(self.variables)
        rank = np.where(every == effect[..., None], -1, every)
        return np.where(every == cause[..., None], -2, rank).argsort(-1, kind="stable")

    def write(self, blocks: Blocks) -> tuple[Symbols, Symbols]:
        """Inputs and targets; targets that are not asked are 0."""
        k, n = self.values, self.variables
        shown = np.take_along_axis(
            units(n, k)[blocks.unit], self.order(blocks.cause, blocks.effect), -1
        )
        inputs = np.empty((*blocks.unit.shape, self.block), dtype=np.int64)
        inputs[..., 0] = k + n * blocks.rungs + blocks.cause
        inputs[..., 2] = k + blocks.effect
        inputs[..., 1], inputs[..., 3:] = shown[..., 0], shown[..., 1:]
        targets = np.zeros_like(inputs)
        targets[..., 2] = shown[..., 1]
        return inputs.reshape(len(inputs), -1), targets.reshape(len(inputs), -1)

    def read(self, inputs: Symbols) -> Blocks:
        """The blocks; symbols that cannot be where they are become some that can."""
        k, n, rungs = self.values, self.variables, self.rungs(inputs.shape[1])
        said = self._blocks(inputs)
        cause = (said[..., 0] - k - n * rungs).clip(0, n - 1)
        effect = (said[..., 2] - k).clip(0, n - 1)
        shown = said[..., [1, *range(3, self.block)]].clip(0, k - 1)
        place = k ** np.arange(n)[::-1][self.order(cause, effect)]
        return Blocks(cause, effect, (shown * place).sum(-1), rungs)

    def answers(
        self, blocks: Blocks, mass: Float[np.ndarray, "batch blocks units"], time: int
    ) -> Probabilities:
        """P(value of the effect | value of the cause) where it is asked, from the joint; uniform elsewhere."""
        table, k = units(self.variables, self.values), self.values
        same = alike(self.variables, k)[1 << blocks.cause, blocks.unit]
        effect = np.eye(k)[table.T[blocks.effect]]
        said = normalise(np.einsum("bqc,bqck->bqk", mass * same, effect))
        batch, count = blocks.unit.shape
        out = np.full((batch, time, k), 1 / k)
        out[:, 2 : count * self.block : self.block] = said
        return out

    def surprise(
        self, inputs: Symbols, targets: Symbols, mass: Float[np.ndarray, "batch blocks units"]
    ) -> InputEvidence:
        """Which variables are chosen, and all values but the answers, by the joints."""
        blocks, k, n = self.read(inputs), self.values, self.variables
        said, (written, _) = self._blocks(inputs), self.write(blocks)
        order = self.order(blocks.cause, blocks.effect)
        seen = (1 << order).cumsum(-1)
        same = alike(n, k)[seen, blocks.unit[..., None]]
        with np.errstate(invalid="ignore"):
            nats = np.diff(log(np.einsum("bqc,bqvc->bqv", mass, same)), axis=-1, prepend=0.0)
        out = log(said == self._blocks(written))
        out[..., 0] -= np.log(n)
        out[..., 1] += np.where(blocks.rungs == ASSOCIATION, nats[..., 0], self._set(blocks))
        out[..., 2] += log(blocks.cause != blocks.effect) - np.log(n - 1)
        out[..., 3] = log(said[..., 3] == self._blocks(targets)[..., 2])
        out[..., 4:] += np.nan_to_num(nats[..., 2:], nan=-np.inf, neginf=-np.inf)
        told = np.arange(inputs.shape[1]) % self.block == 2
        return InputEvidence(out.reshape(inputs.shape), told)

    def _set(self, blocks: Blocks) -> Float[np.ndarray, "batch blocks"]:
        """Log p of the value that is done: any; of one that is imagined: any but the real one."""
        shown = units(self.variables, self.values)[blocks.unit]
        before = np.roll(shown, 1, axis=1)
        place = blocks.cause[..., None]
        new = np.take_along_axis(shown, place, -1) != np.take_along_axis(before, place, -1)
        imagined = log(new[..., 0]) - np.log(self.values - 1)
        return np.where(blocks.rungs == COUNTERFACTUAL, imagined, -np.log(self.values))

    def _blocks(self, symbols: Symbols) -> Int[np.ndarray, "batch blocks block"]:
        whole = symbols.shape[1] // self.block * self.block
        return symbols[:, :whole].reshape(len(symbols), -1, self.block)
