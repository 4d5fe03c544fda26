"""The summary of a whole made-up cell: what a frozen and an ideal learner score, and how long it takes."""

import json
import time

import numpy as np
import polars as pl
import pytest

from plasticity.core.predictors import MOVED
from plasticity.engine.trainer import SCORES
from plasticity.metrics import stability, transfer
from plasticity.metrics.summary import summarise
from plasticity.metrics.visits import probed, visits


def cell(
    steps: int, number: int, regimes: int, every: int, seed: int = 0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Made-up bits: visits of equal length to the regimes in turn, every regime probed, and fresh latents too."""
    rng, step, length = np.random.default_rng(seed), np.arange(steps), steps // number
    table = {name: rng.random(steps) for name in SCORES} | {"kl/informed": np.zeros(steps)}
    table["kl/amnesic"] = table["kl/amnesic"] + 1
    head = {
        "step": step,
        "regime": (step // length % regimes).astype(np.int32),
        "shift": (step % length == 0) & (step > 0),
        "answers": np.full(steps, 12, np.int32),
    }
    at, probed = np.arange(0, steps + 1, every), np.arange(-1, regimes, dtype=np.int32)
    rows = len(at) * len(probed)
    probes = {"step": np.repeat(at, len(probed)), "regime": np.tile(probed, len(at))}
    bits = {name: rng.random(rows) for name in SCORES}
    bits |= {"kl/uniform": bits["kl/uniform"] + 2, MOVED: rng.random(rows)}
    return pl.DataFrame(head | table), pl.DataFrame(probes | bits)


def played(frame: pl.DataFrame, who: str) -> pl.DataFrame:
    """The table had the learner been this observer."""
    heads = [name.removesuffix("/model") for name in SCORES if name.endswith("/model")]
    return frame.with_columns(pl.col(f"{head}/{who}").alias(f"{head}/model") for head in heads)


def test_what_a_learner_loses_is_not_noticed_or_not_represented() -> None:
    steps, probes = cell(400, 4, 2, 50)
    found = summarise(steps, probes)
    assert found["not_noticed"] + found["not_represented"] == pytest.approx(found["kl/model"])
    switching = summarise(played(steps, "switching"), probes)
    assert switching["not_represented"] == 0.0
    assert switching["skill"] == found["skill/switching"] is not None
    blind = steps.with_columns(pl.lit(np.nan).alias("kl/switching"))
    without = steps.drop([name for name in steps.columns if name.endswith("/switching")])
    for table in (blind, without):
        found = summarise(table, probes)
        assert found["not_noticed"] is found["not_represented"] is found["skill/switching"] is None
        assert found["skill"] is not None


def test_the_continual_observer_played_as_learner_is_the_ideal() -> None:
    steps, probes = cell(400, 8, 2, 50)
    found = summarise(played(steps, "continual"), played(probes, "continual"))
    assert found["skill"] == 1.0
    assert found["skill_trend/wls"] == pytest.approx(0, abs=1e-12)
    assert found["adaptation_trend/ols"] == found["adaptation_trend/theil_sen1968"] == 0.0
    assert found["switch_regret/continual"] == 0.0
    assert found["intransigence/chaudhry2018"] == 0.0
    assert found["forgetting_ratio/hat2018"] == pytest.approx(0)


def test_the_skill_trend_is_the_cost_trend_over_the_gap_of_the_ideals() -> None:
    steps, probes = cell(400, 8, 2, 50)
    flat = steps.with_columns(pl.lit(1.2).alias("kl/amnesic"), pl.lit(0.2).alias("kl/continual"))
    found = summarise(flat, probes)
    assert found["skill_trend/wls"] == pytest.approx(-found["adaptation_trend/ols"])
    assert found["skill_trend/wls_low"] == pytest.approx(-found["adaptation_trend/ols_high"])
    excess = (flat["kl/model"] - flat["kl/continual"]).to_numpy().reshape(8, 50).mean(1)
    slope = np.polyfit(np.arange(8), excess, 1)[0] * 100
    assert found["adaptation_trend/ols"] == pytest.approx(slope)
    pairs = [(excess[j] - excess[i]) / (j - i) for j in range(8) for i in range(j)]
    assert found["adaptation_trend/theil_sen1968"] == pytest.approx(100 * np.median(pairs))
    assert found["adaptation_trend_first_visits/ols"] is None, "two points have no interval"


def test_the_trend_over_first_visits_leaves_returns_out() -> None:
    """Five regimes in turn, twice over; the returns cost nothing."""
    steps, probes = cell(400, 10, 5, 50)
    cost = np.repeat([0.1, 0.2, 0.3, 0.4, 0.5, 0, 0, 0, 0, 0], 40)
    model = pl.Series("kl/model", steps["kl/continual"].to_numpy() + cost)
    found = summarise(steps.with_columns(model), probes)
    assert found["adaptation_trend_first_visits/ols"] == pytest.approx(10)
    assert found["adaptation_trend/ols"] < 0


def test_the_formulas_are_given_the_matrices_they_ask_for() -> None:
    steps, probes = cell(400, 4, 4, 50)
    found = summarise(steps, probes)

    def bits(who: str, at: int, regime: int) -> float:
        row = (pl.col("step") == at) & (pl.col("regime") == regime)
        return probes.filter(row)[f"kl/{who}"].item()

    e = np.array([[bits("model", at, j) for j in range(4)] for at in (100, 200, 300, 400)])
    own = np.array([bits("continual", 100 * (j + 1), j) for j in range(4)])
    b = np.array([bits("model", 0, j) for j in range(4)])
    for key, value in {
        "forgetting/chaudhry2018": transfer.forgetting_chaudhry2018(e),
        "forgetting/avalanche2021": transfer.forgetting_avalanche2021(e),
        "forgetting/mammoth2020": transfer.forgetting_mammoth2020(e),
        "bwt/gem2017": transfer.bwt_gem2017(e),
        "bwt/diaz2018": transfer.bwt_diaz2018(e),
        "fwt/gem2017": transfer.fwt_gem2017(e, b),
        "fwt/continuum2021": transfer.fwt_continuum2021(e),
        "intransigence/chaudhry2018": transfer.intransigence_chaudhry2018(e, own),
        "la/mer2019": transfer.la_mer2019(e),
        "acc/gem2017": transfer.acc_gem2017(e),
        "acc/icarl2017": transfer.acc_icarl2017(e),
        "acc/diaz2018": transfer.acc_diaz2018(e),
        "forgetting/since_visit": transfer.forgetting_since_visit(e),
        "wf10/delange2023": stability.wf_delange2023(probed(probes), visits(steps)),
        "wp10/delange2023": stability.wp_delange2023(probed(probes), visits(steps)),
    }.items():
        assert value is not None and found[key] == pytest.approx(value), key
    assert found["relearning_ratio/amnesic50"] is None, "nothing returns"
    back = summarise(*cell(400, 8, 4, 50))
    assert back["savings/ebbinghaus1885"] == 1 - back["relearning_ratio/amnesic50"]


def test_regret_is_a_sum_over_the_stream() -> None:
    steps, probes = cell(400, 4, 2, 50)
    found = summarise(steps, probes)
    assert found["dynamic_regret/expected"] == pytest.approx(400 * found["kl/model"])
    assert found["dynamic_regret/realised"] == pytest.approx(400 * found["excess_loss/informed"])
    assert found["code_length/dawid1984"] == pytest.approx(12 * 400 * found["loss/model"])
    assert found["code_length/over_informed"] == pytest.approx(
        12 * 400 * found["excess_loss/informed"]
    )


def test_a_code_has_all_answers_in_it_however_many_a_step_asks_for() -> None:
    """Brute force: every answer of every step by itself. Without their number there is no length."""
    steps, probes = cell(40, 4, 2, 10)
    answers = np.random.default_rng(1).integers(1, 9, 40)
    found = summarise(steps.with_columns(pl.Series("answers", answers)), probes)
    loss = steps["kl_realised/model"].to_list()
    wanted = sum(bits for n, bits in zip(answers, loss, strict=True) for _ in range(n))
    assert found["code_length/dawid1984"] == pytest.approx(wanted)
    old = summarise(steps.drop("answers"), probes)
    assert old["code_length/dawid1984"] is old["code_length/over_informed"] is None


def test_an_independent_learner_is_given_by_its_bits_on_each_regime() -> None:
    steps, probes = cell(400, 4, 2, 50)
    assert summarise(steps, probes)["fwt/clarena2025"] is None
    found = summarise(steps, probes, independent={0: 0.5, 1: 0.7})
    own = [
        probes.filter((pl.col("step") == at) & (pl.col("regime") == r))["kl/model"].item()
        for at, r in ((200, 1), (300, 0), (400, 1))
    ]
    assert found["fwt/clarena2025"] == pytest.approx(np.mean(np.array([0.7, 0.5, 0.7]) - own))
    assert summarise(steps, probes, independent={0: 0.5})["fwt/clarena2025"] is None


def test_fresh_latents_touch_nothing_but_in_context() -> None:
    steps, probes = cell(400, 4, 2, 50)
    held = summarise(steps, probes.filter(pl.col("regime") >= 0))
    found = summarise(steps, probes)
    differ = {key for key in found if found[key] != held[key]}
    assert differ == {"in_context/first", "in_context/last", "in_context/damage"}
    fresh = probes.filter(pl.col("regime") == -1)["kl_amnesic/model"]
    assert found["in_context/damage"] == pytest.approx(fresh[-1] - fresh[0])


@pytest.mark.parametrize("shape", [(400, 8, 3, 50), (3, 1, 1, 3), (40, 1, 1, 7), (60, 30, 4, 50)])
def test_a_summary_is_json_without_nan(shape: tuple[int, int, int, int]) -> None:
    steps, probes = cell(*shape)
    condition = pl.DataFrame({"step": [0], "rank/x": [float("nan")]})
    text = json.dumps(summarise(steps, probes, condition), allow_nan=False)
    assert json.loads(text)["rank/x/last"] is None
    only_fresh = probes.filter(pl.col("regime") < 0)
    assert summarise(steps, only_fresh)["tasks"] == 0


def test_a_thousand_visits_take_no_longer_than_a_second() -> None:
    """It takes a quarter of one; the limit leaves room for a busy machine."""
    steps, probes = cell(100_000, 1_000, 31, 100)
    began = time.process_time()
    found = summarise(steps, probes)
    assert time.process_time() - began < 2
    assert found["tasks"] == 1_000 and found["forgetting/chaudhry2018"] > 0
