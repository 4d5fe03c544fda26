"""Leaderboard: ranks, skills and costs of the strategies, from a results file and from nothing else."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from rich.markup import escape
from rich.table import Table as RichTable

from plasticity.bench.results import BenchResults, Score
from plasticity.core.predictors import MODEL
from plasticity.metrics.ranking import Standing, ranks, standing
from plasticity.metrics.significance import spread
from plasticity.metrics.visits import UNDEFINED

REFERENCE = "Finetune"
"""Whose cost is 1."""
SPARE = ("learning rate", "recovery", "passes", "gain", "cost", "forgetting")
"""Titles that a narrow terminal does without, the first to go first."""
DIVERGED = -np.inf
"""Skill of a learner whose weights are lost, where that of the others is defined."""
TITLES = (
    "",
    "rank",
    "skill",
    "gain",
    "excess",
    "forgetting",
    "recovery",
    "ms/step",
    "cost",
    "passes",
    "learning rate",
)
CAPTION = (
    "rank: mean over blocks (stream x network) of the rank by mean skill over seeds, 1 is best, ties share, who "
    "diverged is last. skill: 0 is the best any frozen model can do, 1 the ideal continual learner; gain: the same, "
    "but 0 is the network never updated. "
    "excess: frontier/excess, bits lost on fresh latents above the exact curve, where defined. "
    "forgetting/chaudhry2018 in bits, recovery/skill50 in steps, both where defined. "
    "cost: of a step, Finetune's being 1; passes: forward + backward, for each that a prediction takes. "
    "± is the 95 % interval of the mean (Student's t) over blocks, each the mean of its seeds; of a single block, "
    "over seeds. Learning rates are of each network in turn, chosen for skill in held-out worlds from one grid for "
    "all; ^ and _: at the upper or lower end of the grid."
)


class LeaderboardRow(NamedTuple):
    """One strategy. Values are one per block, or one per seed where there is one block."""

    strategy: str
    contender: bool
    """Whether it is no part of the suite."""
    rank: Sequence[float]
    skill: Sequence[float]
    """Of the blocks in which it never diverged; no level of a strategy that did."""
    diverged: int
    """Cells whose skill is not finite, where the suite's is defined."""
    forgetting: float | None
    recovery: float | None
    ms: float
    cost: float | None
    """Milliseconds over those of REFERENCE in the same block; None: it is not there."""
    rates: str
    gain: Sequence[float] = ()
    since: int | None = None
    """The earliest step at which it diverged, where that is known."""
    excess: float | None = None
    passes: tuple[float | None, float | None] = (None, None)
    """Forward, backward."""


def rows(results: BenchResults) -> list[LeaderboardRow]:
    """The strategies by mean rank, best first; those of equal rank in the order of the file."""
    labels = list(results.strategies)
    skills, ms = grid(results, skill), grid(results, lambda score: score.ms_per_step)
    placed, gains = ranks(levels(skills)), grid(results, gains_of(results))
    reference = labels.index(REFERENCE) if REFERENCE in labels else None
    found = []
    for i, label in enumerate(labels):
        mine = [cell for cell in results.cells if cell.strategy == label]
        each = units(skills[i])
        ratio = None if reference is None else ms[i].mean(-1) / ms[reference].mean(-1)
        row = LeaderboardRow(
            label,
            label in results.contenders,
            placed[i].tolist(),
            each[np.isfinite(each)].tolist(),
            int((skills[i] == DIVERGED).sum()),
            _mean([cell.forgetting for cell in mine]),
            _mean([cell.recovery for cell in mine]),
            float(ms[i].mean()),
            None if ratio is None else float(ratio.mean()),
            ", ".join(_rates(results, label)),
            units(gains[i]).tolist(),
            min((c.diverged for c in mine if c.diverged is not None), default=None),
            _mean([cell.excess for cell in mine]),
            (_mean([cell.forward for cell in mine]), _mean([cell.backward for cell in mine])),
        )
        found.append(row)
    return sorted(found, key=lambda row: np.mean(row.rank) if row.rank else np.inf)


def grid(
    results: BenchResults, value: Callable[[Score], float]
) -> Float[np.ndarray, "strategies blocks seeds"]:
    """One number of every cell; blocks are (stream, network), in the order of the file."""
    found = {(c.strategy, c.stream, c.network, c.seed): value(c) for c in results.cells}
    names = list(results.strategies)
    pairs, seeds = blocks(results), list(dict.fromkeys(c.seed for c in results.cells))
    return np.array([[[found[n, *pair, s] for s in seeds] for pair in pairs] for n in names])


def blocks(results: BenchResults) -> list[tuple[str, str]]:
    """(stream, network) of every block."""
    return list(dict.fromkeys((c.stream, c.network) for c in results.cells))


def units(values: Float[np.ndarray, "blocks seeds"]) -> Float[np.ndarray, " units"]:
    """What an interval is over: the mean of each block, for its seeds have it in common; of one block, its seeds.

    What is undefined (NaN) is left out.
    """
    known = [block[~np.isnan(block)] for block in values]
    return known[0] if len(known) == 1 else np.array([k.mean() for k in known if len(k)])


def levels(
    skills: Float[np.ndarray, "strategies blocks seeds"],
) -> Float[np.ndarray, "strategies units"]:
    """What is ranked: of each block its mean skill over seeds; of one block, its seeds.

    Where skill is undefined nobody is ranked: the ideals of a world, which all strategies share, are one.
    """
    known = ~np.any(np.isnan(skills), axis=0)
    if len(known) == 1:
        return skills[:, 0, known[0]]
    kept = [block for block in range(len(known)) if known[block].any()]
    means = [skills[:, block, known[block]].mean(-1) for block in kept]
    return np.stack(means, 1) if means else np.empty((len(skills), 0))


def ranking(results: BenchResults) -> Standing:
    """Mean ranks over blocks, the critical difference, and which strategies the blocks do not tell apart."""
    return standing([*results.strategies], levels(grid(results, skill)))


def gains_of(results: BenchResults) -> Callable[[Score], float]:
    """(KL(frozen) - KL(model)) / (KL(frozen) - KL(continual)) of a cell; NaN where Frozen is no part of the suite."""
    frozen = [name for name, how in results.strategies.items() if how.get("type") == "Frozen"]
    starts = {
        (c.stream, c.network, c.seed): c.kl[MODEL]
        for c in results.cells
        if c.strategy in frozen[:1]
    }

    def gain(score: Score) -> float:
        start = starts.get((score.stream, score.network, score.seed))
        mine, best = score.kl[MODEL], score.kl["continual"]
        if start is None or mine is None or best is None or start - best < UNDEFINED:
            return np.nan
        return (start - mine) / (start - best)

    return gain


def skill(score: Score) -> float:
    """Its skill; NaN where the ideals of its world are one."""
    if score.skill is not None:
        return score.skill
    amnesic, continual = score.kl["amnesic"], score.kl["continual"]
    undefined = amnesic is None or continual is None or amnesic - continual < UNDEFINED
    return np.nan if undefined else DIVERGED


def _rates(results: BenchResults, strategy: str) -> list[str]:
    """What each network's learning rate is, and whether it is at an end of the grid."""
    found = []
    for choice in results.rates:
        if choice.strategy == strategy:
            order = sorted(map(float, choice.skills))
            ends = {order[0]: "_", order[-1]: "^"} if order[1:] else {}
            shown = choice.how if choice.lr is None else f"{choice.lr:g}{ends.get(choice.lr, '')}"
            found.append("-" if shown == "none" else shown)
    return list(dict.fromkeys(found)) if len(set(found)) == 1 else found


def cells(row: LeaderboardRow) -> list[str]:
    """What a line shows."""
    since = "" if row.since is None else f", from step {row.since}"
    lost = f"diverged in {row.diverged} cell{'s' * (row.diverged > 1)}{since}"
    return [
        f"{row.strategy}{' (contender)' if row.contender else ''}",
        _spread(row.rank, 1),
        lost if row.diverged else _spread(row.skill, 2),
        "-" if row.diverged else _spread(row.gain, 2),
        "-" if row.excess is None else f"{row.excess:z.3f}",
        "-" if row.forgetting is None else f"{row.forgetting:z.3f}",
        "-" if row.recovery is None else f"{row.recovery:.0f}",
        f"{row.ms:.1f}",
        "-" if row.cost is None else f"{row.cost:.2f}",
        " + ".join(f"{each:.1f}" for each in row.passes if each is not None) or "-",
        row.rates,
    ]


def shown(results: BenchResults) -> RichTable:
    """The leaderboard, for a terminal."""
    table = RichTable(caption=CAPTION, box=None, header_style="bold", pad_edge=False)
    for title in TITLES:
        justify = "right" if title else "left"
        table.add_column(
            title.replace(" ", "\n", 1), justify=justify, no_wrap=title != "learning rate"
        )
    for row in rows(results):
        table.add_row(*map(escape, cells(row)))
    table.caption = escape(f"{apart(ranking(results))} {CAPTION}")
    return table


def apart(found: Standing) -> str:
    """What the ranks tell apart, in a sentence."""
    if found.critical is None:
        return "Ranks of one block, or of one strategy, tell nobody apart."
    told = [" = ".join(group) for group in found.groups]
    return (
        f"Not told apart (Friedman p {found.p:.2g}; Nemenyi, ranks less than {found.critical:.1f} apart, 5 %, "
        f"{found.units} {'blocks' if found.units > 1 else 'block'}): {'; '.join(told) or 'none'}."
    )


def _spread(values: Sequence[float], digits: int) -> str:
    """Mean and 95 % interval; nothing to show where there is none."""
    return spread(values, digits) if values else "-"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None
