"""A learner whose bits are no numbers from some step on: nothing that is told of it depends on what came after."""

import json

import numpy as np
import polars as pl
import pytest

from plasticity.metrics.glossary import explain, glossary
from plasticity.metrics.summary import summarise

from .test_summary import cell

SHAPES = {  # steps, visits, regimes, steps between probes
    "returns": (240, 8, 3, 10),
    "first visits": (120, 3, 3, 10),
    "one visit": (60, 1, 1, 10),
    "unfinished": (230, 7, 3, 10),  # its last visit is cut off
    "few steps": (12, 1, 1, 4),
}


def spoiled(frame: pl.DataFrame, since: int, value: float, before: int) -> pl.DataFrame:
    """The learner's numbers from a step on; of a probe, after more updates than `before`."""
    own = [c for c in frame.columns if c.endswith("/model")]
    late = pl.col("step") >= since + before
    return frame.with_columns(
        pl.when(late).then(pl.lit(value)).otherwise(pl.col(c)).alias(c) for c in own
    )


def told(shape: str, since: int, value: float) -> dict[str, float | None]:
    steps, probes = cell(*SHAPES[shape])
    at = np.arange(0, len(steps) + 1, 10)
    look = pl.DataFrame({"step": at, "rank/model": np.linspace(5, 9, len(at))})
    frozen = steps["kl/amnesic"].to_numpy()
    live = [int(steps["regime"][max(int(s) - 1, 0)]) for s in at]
    curve = {"live/b0": 0.0, "live/b1": 1.0, "fresh/b0": 1.0, "fresh/b1": 0.0}
    mixed = pl.DataFrame({"step": at, "regime": live, "fresh": -1} | curve)
    if shape == "few steps":
        mixed = mixed.clear()
    # what was predicted at `since` was lost, so the weights after `since` updates were
    tables = (spoiled(t, since, value, 0) for t in (steps, probes, look))
    steps, probes, look = tables
    return summarise(steps, probes, look, {0: 0.1, 1: 0.2, 2: 0.3}, frozen, mixed)


@pytest.mark.parametrize("lost", [np.nan, np.inf])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.03, 0.3, 0.5, 0.8, 0.99])
def test_no_number_is_made_of_what_is_lost(shape: str, share: float, lost: float) -> None:
    """Whatever else had come from there on, ever so good or bad, each number is the same, or there is none."""
    since = int(share * SHAPES[shape][0])
    found, *others = (told(shape, since, value) for value in (lost, 0.0, 0.7, 1e6))
    assert found.pop("diverged/step") == since
    assert all(other.pop("diverged/step") is None for other in others)
    for key, value in found.items():
        assert explain(key)
        if value is not None:
            assert [other[key] for other in others] == [pytest.approx(value)] * 3, key
    assert found["skill"] is None and found["code_length/dawid1984"] is None
    json.dumps(found, allow_nan=False)


def test_every_id_is_asked_for() -> None:
    found = told("returns", 200, np.nan)
    assert {explain(key).id for key in found} == {e.id for e in glossary()} - {
        "world/<column>",
        "network/<column>",
    }


def test_what_the_audit_found_is_none() -> None:
    """Savings, half-life, recovery, wf10 and wp10 of a run that became NaN were 0, 1, 5 and 3.7e8."""
    found = told("returns", 100, np.nan)
    for key in (
        "savings/ebbinghaus1885",
        "relearning_ratio/amnesic50",
        "half_life/informed",
        "half_life/never",
        "recovery/skill50",
        "recovery/never",
        "wf10/delange2023",
        "wp10/delange2023",
        "min_acc/delange2023",
        "min_acc/while_away",
        "stability_gap/delange2023",
        "stability_gap/never",
        "skill_trend/wls",
        "rank/model/last",
        "in_context/damage",
    ):
        assert found[key] is None, key
    assert found["rank/model/first"] == 5 and found["in_context/first"] is not None


def test_lost_by_the_last_update_is_lost() -> None:
    """Every prediction was fine, and the weights are none."""
    steps, probes = cell(240, 8, 3, 10)
    found = summarise(steps, spoiled(probes, 240, np.nan, 0))
    assert found["diverged/step"] == 240 and found["skill"] is not None
    assert found["forgetting/chaudhry2018"] is None
