"""The numbers of one cell, derived from its stored tables and from nothing else; `glossary` explains each."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import scipy

from plasticity.core.predictors import PREDICTORS
from plasticity.metrics import adaptation, stability, transfer
from plasticity.metrics.recovery import condition_trends, in_context, recovery_skill50
from plasticity.metrics.trend import Trend, least_squares, theil_sen
from plasticity.metrics.visits import (
    OPENING,
    Probed,
    Visit,
    final,
    learned,
    mean,
    phase,
    probed,
    skill,
    skills,
    task_matrix,
    tasks,
    untouched,
    visits,
)

PER = 100
"""Visits per which a trend is given."""


def summarise(
    steps: pl.DataFrame,
    probes: pl.DataFrame,
    condition: pl.DataFrame | None = None,
    independent: Mapping[int, float] | None = None,
) -> dict[str, Any]:
    """Formula id -> number (bits per asked position unless the glossary says otherwise); None: undefined.

    What is asked of the task matrix goes over the visits to probed regimes only.

    Args:
        steps: one row per step.
        probes: one row per probe and checkpoint; a regime below 0 is left out of all but `in_context`.
        condition: one row per checkpoint, with any columns beside `step`.
        independent: regime -> bits on its probe of a learner that met no other; None: there is none.
    """
    found = visits(steps)
    summary: dict[str, Any] = {"steps": len(steps), "visits": len(found)}
    summary |= _levels(steps, found)
    summary |= _skills(steps, found)
    summary |= _adaptation(steps, found)
    held = probed(probes)
    summary |= _transfer(probes, held, found, independent)
    summary |= _stability(held, found)
    fresh = in_context(probes)
    summary |= {
        "in_context/first": fresh[0] if fresh else None,
        "in_context/last": fresh[1] if fresh else None,
        "in_context/damage": fresh[1] - fresh[0] if fresh else None,
    }
    if condition is not None and len(condition):
        summary |= condition_trends(condition)
    return {key: _plain(value) for key, value in summary.items()}


def interval(values: Sequence[float]) -> float | None:
    """Half the width of the 95 % interval of a mean, by Student's t; None for a single value."""
    n = len(values)
    if n < 2:
        return None
    return float(scipy.special.stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / math.sqrt(n))


def spread(values: Sequence[float], digits: int) -> str:
    """A mean and its 95 % interval."""
    half = interval(values)
    mean = f"{np.mean(values):,.{digits}f}"
    return mean if half is None else f"{mean}±{half:,.{digits}f}"


def _levels(steps: pl.DataFrame, found: list[Visit]) -> dict[str, Any]:
    """Means over the stream, and over the openings of visits."""
    first = phase(steps, found, returns=False, opening=OPENING)
    back = phase(steps, found, returns=True, opening=OPENING)
    summary: dict[str, Any] = {}
    for name in ("model", *PREDICTORS):
        summary[f"kl/{name}"] = mean(steps, f"kl/{name}")
        summary[f"kl_first_visit/{name}"] = mean(first, f"kl/{name}")
        summary[f"kl_return/{name}"] = mean(back, f"kl/{name}")
        summary[f"loss/{name}"] = mean(steps, f"kl_realised/{name}")
    for reference in ("continual", "amnesic"):
        summary[f"kl_{reference}/model"] = mean(steps, f"kl_{reference}/model")
    for reference in ("informed", "continual", "amnesic"):
        excess = steps["kl_realised/model"] - steps[f"kl_realised/{reference}"]
        summary[f"excess_loss/{reference}"] = mean(pl.DataFrame({"": excess}), "")
    summary["tv/model"] = mean(steps, "tv/model")
    summary["entropy_error/model"] = mean(steps, "entropy_error_amnesic/model")
    switching = summary["kl/switching"]
    known = None not in (switching, summary["kl/model"])
    summary["not_noticed"] = switching if known else None
    summary["not_represented"] = summary["kl/model"] - switching if known else None
    return summary


def _skills(steps: pl.DataFrame, found: list[Visit]) -> dict[str, Any]:
    """Skill: of the stream, of the switching observer, and its trend; and recovery where skill is defined.

    `recovery/skill50` is the mean over visits, in steps, where a visit that never recovers counts its
    whole length; `recovery/never` counts those. Visits in which skill is undefined have no recovery.
    """
    each = skills(steps, found)
    numbers = [k for k, s in enumerate(each) if s is not None]
    defined = [found[k] for k in numbers]
    recoveries = [recovery_skill50(steps, visit) for visit in defined]
    counted = [
        v.stop - v.start if r is None else r for v, r in zip(defined, recoveries, strict=True)
    ]
    line = least_squares(np.array(numbers, float), np.array([each[k] for k in numbers], float))
    return {
        "skill": skill(steps),
        "skill/first_visits": skill(phase(steps, found, returns=False)),
        "skill/returns": skill(phase(steps, found, returns=True)),
        "skill/switching": None
        if mean(steps, "kl/switching") is None
        else skill(steps, "switching"),
        "recovery/skill50": sum(counted) / len(defined) if defined else None,
        "recovery/never": sum(r is None for r in recoveries),
        **_per_visits("skill_trend", line),
    }


def _adaptation(steps: pl.DataFrame, found: list[Visit]) -> dict[str, Any]:
    """What adapting costs, and how that cost grows from visit to visit."""
    costs = adaptation.costs(steps, found)
    numbers = np.arange(len(found), dtype=float)
    first = np.array([v.nth == 0 for v in found])
    bits, loss = steps["kl/model"].to_numpy(), steps["kl_realised/model"].to_numpy()
    half_life, never = adaptation.half_lives(steps, found)
    ratio = adaptation.relearning_ratio(steps, found)
    robust = theil_sen(numbers, costs)
    line = least_squares(numbers[first], costs[first])
    return {
        **_per_visits("adaptation_trend", least_squares(numbers, costs)),
        "adaptation_trend/theil_sen1968": None if robust is None else PER * robust,
        **_per_visits("adaptation_trend_first_visits", line),
        "switch_regret/continual": adaptation.switch_regret(steps, found, "continual"),
        "switch_regret/informed": adaptation.switch_regret(steps, found, "informed"),
        "half_life/informed": half_life,
        "half_life/never": never,
        "relearning_ratio/amnesic50": ratio,
        "savings/ebbinghaus1885": None if ratio is None else 1 - ratio,
        "lca10/agem2019": adaptation.lca_agem2019(steps, found),
        "dynamic_regret/expected": bits.sum(),
        "dynamic_regret/realised": (loss - steps["kl_realised/informed"].to_numpy()).sum(),
        "interval_regret50/hazan2009": adaptation.interval_regret(bits),
        "code_length/dawid1984": loss.sum(),
        "fading_loss99/gama2013": adaptation.fading_loss(loss),
    }


def _transfer(
    probes: pl.DataFrame, held: Probed, found: list[Visit], independent: Mapping[int, float] | None
) -> dict[str, Any]:
    """Forgetting and transfer, by every definition."""
    e, b = task_matrix(held, found), untouched(held, found)
    continual, uniform = _others(probes, held)
    joint, random = final(continual, found), final(uniform, found)
    alone = None
    if independent is not None:
        alone = np.array([independent.get(v.regime, np.nan) for v in tasks(held, found)], float)
    return {
        "tasks": len(e),
        "forgetting/chaudhry2018": transfer.forgetting_chaudhry2018(e),
        "forgetting/avalanche2021": transfer.forgetting_avalanche2021(e),
        "forgetting/mammoth2020": transfer.forgetting_mammoth2020(e),
        "forgetting_ratio/hat2018": transfer.forgetting_ratio_hat2018(e, random, joint),
        "bwt/gem2017": transfer.bwt_gem2017(e),
        "bwt/diaz2018": transfer.bwt_diaz2018(e),
        "fwt/gem2017": transfer.fwt_gem2017(e, b),
        "fwt/continuum2021": transfer.fwt_continuum2021(e),
        "fwt/clarena2025": transfer.fwt_clarena2025(e, alone),
        "intransigence/chaudhry2018": transfer.intransigence_chaudhry2018(
            e, learned(continual, found)
        ),
        "la/mer2019": transfer.la_mer2019(e),
        "acc/gem2017": transfer.acc_gem2017(e),
        "acc/icarl2017": transfer.acc_icarl2017(e),
        "acc/diaz2018": transfer.acc_diaz2018(e),
    }


def _others(probes: pl.DataFrame, held: Probed) -> list[Probed]:
    """The continual observer and the uniform predictor on the same probes; NaN where they were not scored."""
    columns = ("kl/continual", "kl/uniform")
    missing = held._replace(bits=np.full_like(held.bits, np.nan))
    return [probed(probes, c) if c in probes.columns else missing for c in columns]


def _stability(held: Probed, found: list[Visit]) -> dict[str, Any]:
    """Worst cases along the way."""
    gaps = list(stability.gaps(held, found))
    recovery, never = stability.gap_recovery(gaps)
    return {
        "min_acc/delange2023": stability.min_acc_delange2023(held, found),
        "wc_acc/delange2023": stability.wc_acc_delange2023(held, found),
        "wf10/delange2023": stability.wf_delange2023(held, found),
        "wp10/delange2023": stability.wp_delange2023(held, found),
        "stability_gap/delange2023": stability.stability_gap_delange2023(gaps),
        "stability_gap/recovery50": recovery,
        "stability_gap/never": never,
    }


def _per_visits(name: str, line: Trend | None) -> dict[str, float | None]:
    """A trend over visit numbers, per PER visits."""
    slope, low, high = (PER * x for x in line) if line else (None, None, None)
    return {f"{name}/ols": slope, f"{name}/ols_low": low, f"{name}/ols_high": high}


def _plain(value: float | int | None) -> float | int | None:
    """As JSON has it: what is not finite is None."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
