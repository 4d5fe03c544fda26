"""Every id that names a source equals the source's equation, written out over plain rows, where regimes return."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from plasticity.core.predictors import MOVED
from plasticity.engine.trainer import SCORES
from plasticity.metrics.glossary import glossary
from plasticity.metrics.summary import summarise

LIVE, LENGTHS = [0, 1, 2, 0, 1, 0, 2], [12, 24, 12, 36, 12, 24, 12]
"""A world whose regimes return, in visits of different length; all longer than ten steps."""
EVERY = 6


class Rows:
    """A made-up cell as plain Python; steps are counted from 0, tasks and evaluations by the paper's indices."""

    def __init__(self, seed: int):
        rng = np.random.default_rng(seed)
        self.starts = np.cumsum([0, *LENGTHS]).tolist()
        self.n = self.starts.pop()
        self.stops = [*self.starts[1:], self.n]
        regime = np.repeat(LIVE, LENGTHS)
        columns = {name: rng.random(self.n) for name in SCORES}
        columns["kl/amnesic"] = columns["kl/amnesic"] + 1
        columns["kl/informed"] = np.zeros(self.n)
        answers = rng.integers(1, 9, self.n)
        head = {"step": np.arange(self.n), "regime": regime.astype(np.int32), "answers": answers}
        shift = np.isin(np.arange(self.n), self.starts[1:])
        self.steps = pl.DataFrame(head | {"shift": shift} | columns)
        at = range(0, self.n + 1, EVERY)
        rows = [(s, r) for s in at for r in range(3)]
        bits = {name: rng.random(len(rows)) for name in SCORES}
        bits |= {"kl/uniform": bits["kl/uniform"] + 2, MOVED: rng.random(len(rows))}
        self.moved = dict(zip(rows, bits[MOVED], strict=True))
        place = {"step": [s for s, _ in rows], "regime": np.array([r for _, r in rows], np.int32)}
        self.probes = pl.DataFrame(place | bits)
        self.at, self.T = list(at), len(LIVE)
        self.probe = {
            (s, r, who): value
            for who in ("model", "continual", "uniform")
            for s, r, value in zip(
                *(self.probes[c] for c in ("step", "regime", f"kl/{who}")), strict=True
            )
        }
        self.alone = dict(enumerate(rng.random(3).tolist()))
        self.frozen = rng.random(self.n) + 1

    def a(self, i: int, j: int, who: str = "model") -> float:
        """The score of task j after task i, higher is better: minus bits. i = 0: before any."""
        return -self.probe[self.stops[i - 1] if i else 0, LIVE[j - 1], who]

    def evaluation(self, j: int, at: int) -> float:
        """The score on task j's probe after so many updates."""
        return -self.probe[at, LIVE[j - 1], "model"]

    def column(self, name: str) -> list[float]:
        return self.steps[name].to_list()


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def min_acc(x: Rows) -> float:
    """Of every task before the last, the lowest score at any evaluation after it."""
    return mean(
        [
            min(x.evaluation(i, n) for n in x.at if x.stops[i - 1] < n <= x.stops[-1])
            for i in range(1, x.T)
        ]
    )


def windowed(x: Rows, sign: int) -> float:
    """Of every evaluation task from its first step on, the largest change within ten evaluations, at least none."""
    found = []
    for regime in range(3):
        seen = [-x.probe[n, regime, "model"] for n in x.at if n >= x.starts[LIVE.index(regime)]]
        pairs = [(m, n) for n in range(len(seen)) for m in range(max(0, n - 9), n)]
        found.append(max(0.0, *(sign * (seen[m] - seen[n]) for m, n in pairs)))
    return mean(found)


def gaps(x: Rows) -> float:
    """Right after a task, less the lowest score on it during the next."""
    return mean(
        [
            x.a(i, i) - min(x.evaluation(i, n) for n in x.at if x.starts[i] < n <= x.stops[i])
            for i in range(1, x.T)
        ]
    )


def shots(x: Rows) -> float:
    kl = x.column("kl/model")
    return mean([mean([kl[start + b] for start in x.starts]) for b in range(11)])


def relearning(x: Rows) -> float:
    """1 - steps on returns / steps on first visits, to the bar of each regime."""

    def steps(start: int, stop: int, bar: float) -> int:
        kl = x.column("kl/model")[start:stop]
        for end in range(5, len(kl) + 1):
            if mean(kl[end - 5 : end]) <= bar:
                return end
        return len(kl)

    bars = {
        r: mean(x.column("kl/amnesic")[x.starts[k] : x.stops[k]]) / 2
        for k, r in reversed([*enumerate(LIVE)])
    }
    taken = [steps(a, b, bars[r]) for a, b, r in zip(x.starts, x.stops, LIVE, strict=True)]
    first = [k for k, r in enumerate(LIVE) if r not in LIVE[:k]]
    again = [(taken[k], taken[LIVE.index(r)]) for k, r in enumerate(LIVE) if k not in first]
    return 1 - sum(a for a, _ in again) / sum(b for _, b in again)


def fading(x: Rows) -> float:
    total = weight = 0.0
    for loss in x.column("kl_realised/model"):
        total, weight = loss + 0.99 * total, 1 + 0.99 * weight
    return total / weight


def theil_sen(x: Rows) -> float:
    cost = [
        mean(x.column("kl/model")[a:b]) - mean(x.column("kl/continual")[a:b])
        for a, b in zip(x.starts, x.stops, strict=True)
    ]
    slopes = sorted((cost[j] - cost[i]) / (j - i) for j in range(x.T) for i in range(j))
    return 100 * (slopes[len(slopes) // 2] + slopes[(len(slopes) - 1) // 2]) / 2


def switches(x: Rows, over: str) -> float:
    model, other = x.column("kl/model"), x.column(f"kl/{over}")
    spans = [*zip(x.starts, x.stops, strict=True)][1:]
    return mean([sum(model[s] - other[s] for s in range(a, b)) for a, b in spans])


def hat(x: Rows) -> float:
    ratios = [
        (x.a(x.T, j) - x.a(x.T, j, "uniform")) / (x.a(x.T, j, "continual") - x.a(x.T, j, "uniform"))
        for j in range(1, x.T + 1)
    ]
    return mean(ratios) - 1


def over(k: int) -> range:
    """From 1 to k."""
    return range(1, k + 1)


EQUATIONS: dict[str, Callable[[Rows], float]] = {
    "kl/model": lambda x: mean(x.column("kl/model")),
    "entropy_error/model": lambda x: mean(x.column("entropy_error_amnesic/model")),
    "skill": lambda x: (
        (mean(x.column("kl/model")) - mean(x.column("kl/amnesic")))
        / (mean(x.column("kl/continual")) - mean(x.column("kl/amnesic")))
    ),
    "adaptation_trend/theil_sen1968": theil_sen,
    "switch_regret/continual": lambda x: switches(x, "continual"),
    "switch_regret/informed": lambda x: switches(x, "informed"),
    "savings/ebbinghaus1885": relearning,
    "lca10/agem2019": shots,
    "interval_regret50/daniely2015": lambda x: max(
        sum(x.column("kl/model")[q : q + 50]) for q in range(x.n - 49)
    ),
    "code_length/dawid1984": lambda x: sum(
        n * bits for n, bits in zip(x.column("answers"), x.column("kl_realised/model"), strict=True)
    ),
    "fading_loss99/gama2013": fading,
    # RWalk, eq. 3: f_j = max_(l in 1..k-1) a_(l,j) - a_(k,j); and F_k = mean over j < k
    "forgetting/chaudhry2018": lambda x: mean(
        [max(x.a(r, j) for r in over(x.T - 1)) - x.a(x.T, j) for j in over(x.T - 1)]
    ),
    "forgetting/avalanche2021": lambda x: mean([x.a(j, j) - x.a(x.T, j) for j in over(x.T - 1)]),
    # rows padded with what is worse than anything, above the diagonal
    "forgetting/mammoth2020": lambda x: mean(
        [max(x.a(r, j) for r in range(j, x.T + 1)) - x.a(x.T, j) for j in over(x.T - 1)]
    ),
    "forgetting_ratio/hat2018": hat,
    "bwt/gem2017": lambda x: mean([x.a(x.T, j) - x.a(j, j) for j in over(x.T - 1)]),
    "bwt/diaz2018": lambda x: mean(
        [x.a(i, j) - x.a(j, j) for i in range(2, x.T + 1) for j in over(i - 1)]
    ),
    "fwt/gem2017": lambda x: mean([x.a(j - 1, j) - x.a(0, j) for j in range(2, x.T + 1)]),
    "fwt/continuum2021": lambda x: mean([x.a(j - 1, j) for j in range(2, x.T + 1)]),
    "fwt/clarena2025": lambda x: mean(
        [x.a(j, j) + x.alone[LIVE[j - 1]] for j in range(2, x.T + 1)]
    ),
    "intransigence/chaudhry2018": lambda x: mean(
        [x.a(k, k, "continual") - x.a(k, k) for k in over(x.T)]
    ),
    "la/mer2019": lambda x: -mean([x.a(i, i) for i in over(x.T)]),
    "acc/gem2017": lambda x: -mean([x.a(x.T, j) for j in over(x.T)]),
    "acc/icarl2017": lambda x: -mean([mean([x.a(k, j) for j in over(k)]) for k in over(x.T)]),
    "acc/diaz2018": lambda x: -mean([x.a(i, j) for i in over(x.T) for j in over(i)]),
    "min_acc/delange2023": lambda x: -min_acc(x),
    "wc_acc/delange2023": lambda x: -(x.a(x.T, x.T) / x.T + (1 - 1 / x.T) * min_acc(x)),
    "wf10/delange2023": lambda x: windowed(x, 1),
    "wp10/delange2023": lambda x: windowed(x, -1),
    "stability_gap/delange2023": gaps,
    "razor/shenfeld2025": lambda x: mean([x.moved[x.stops[j - 1], LIVE[j - 1]] for j in over(x.T)]),
    # ours
    "forgetting/since_visit": lambda x: mean(
        [max(x.a(r, j) for r in range(j, x.T)) - x.a(x.T, j) for j in over(x.T - 1)]
    ),
    "gain": lambda x: (
        (mean(x.frozen.tolist()) - mean(x.column("kl/model")))
        / (mean(x.frozen.tolist()) - mean(x.column("kl/continual")))
    ),
}


def test_every_id_that_cites_a_source_has_its_equation_here() -> None:
    cited = [entry for entry in glossary() if entry.source]
    assert [e.id for e in cited if not any(e.explains(key) for key in EQUATIONS)] == []
    assert len(cited) > 25


@pytest.mark.parametrize("seed", range(3))
def test_numbers_equal_their_equations(seed: int) -> None:
    rows = Rows(seed)
    found = summarise(rows.steps, rows.probes, independent=rows.alone, frozen=rows.frozen)
    for key, equation in EQUATIONS.items():
        assert found[key] == pytest.approx(equation(rows), abs=1e-12), key


def test_the_world_tells_variants_apart() -> None:
    """Else a formula could stand under the name of another, and every test would pass."""
    rows = Rows(0)
    values = sorted((equation(rows), key) for key, equation in EQUATIONS.items())
    same = [(one, other) for (a, one), (b, other) in pairwise(values) if abs(a - b) < 1e-9]
    assert same == []
