"""The study of hybrids: its bounds, its limits, and that what is done is not done again."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from plasticity import recipe
from plasticity.engine.config import Pretrain
from plasticity.launch.experiment import Experiment
from plasticity.networks import LSTM, MLP
from plasticity.studies import hybrid_page
from plasticity.studies.hybrid_study import ALONE, PROPOSALS, Plan, curves, run, study, trained
from plasticity.studies.predictive_matrix import bits
from plasticity.studies.tunnel_table import entries
from plasticity.tracking import Wandb
from strategies import Frozen
from streams import SULA, Abrupt, Recurrence

PLAN = Plan(draws=256, episodes=64, steps=2, hidden=8, batch=8)


def network() -> MLP:
    torch.manual_seed(0)
    return MLP(3, 3, width=8, depth=1)


def test_many_draws_are_the_amnesic_observer_and_the_posterior_needs_fewest() -> None:
    table = pl.DataFrame(study(Recurrence(3), network(), 6, (0,), PLAN))
    assert table["draws"].to_list() == [*[1, 2, 4, 8, 16, 32, 64, 128, 256] * 3, 0]
    last = table.filter(pl.col("draws") == 256)
    assert (last["pooled"] < 1e-3).all(), "all ten hypotheses are drawn"
    assert (last["weighed"] < 0.03).all()
    prior, _, posterior = (
        table.filter(pl.col("proposal") == i).sort("draws") for i in range(len(PROPOSALS))
    )
    assert (posterior["weighed"] <= prior["weighed"] + 1e-9)[2:].all()
    assert posterior["gap"][0] < 0.2 < prior["gap"][0]
    assert prior["ess"][0] == pytest.approx(1 - prior["barren"][0])
    assert (posterior["ess"] <= posterior["draws"] + 1e-9).all()
    assert (prior["distinct"] <= 10).all()


def test_the_head_learns_the_posterior() -> None:
    """Of a world that is two coins: a head on a network that counts nothing gets the prior, and no further."""
    tunnel = Recurrence(3, prior=0.5)
    found, plan = tunnel.hypotheses(), PLAN._replace(steps=150, batch=64)
    head = trained(tunnel, found, network(), 6, (0,), plan)
    q = head(torch.tensor([[0, 1, 2, 0, 1, 2]])).softmax(-1)[0, 0].detach().numpy()
    assert bits(found.prior[None], q[None])[0] < 0.05


def test_what_is_done_is_not_done_again_and_the_page_shows_it(tmp_path: Path) -> None:
    made = Experiment(
        name="recurrence",
        stream=recipe(Abrupt, tunnels=[recipe(Recurrence, modulus=3)], period=2, steps=2, time=6),
        networks=[recipe(LSTM, width=8, depth=1)],
        strategy=recipe(Frozen),
        pretrain=Pretrain(steps=2, batch=8),
        seeds=[0, 1],
        wandb=Wandb("disabled"),
        out=str(tmp_path),
    )
    wanted, plan = entries([made]), PLAN._replace(draws=8)
    assert list(run(wanted, plan, jobs=1)) == [0, 1]
    kept = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("hybrid-*/*")}
    assert kept
    assert list(run(wanted, plan, jobs=1)) == [0, 1]
    done = [(entry, curves(entry, plan)) for entry in wanted]
    assert kept == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("hybrid-*/*")}
    titles, lines = hybrid_page.lines(done)
    assert titles == ["task", "proposal", "gap", "n = 1", "n = 8", "ESS"]
    assert [cells[1] for cells, _ in lines][:3] == [ALONE, "prior", "prior, pooled"]
    mean = np.mean([t.filter(pl.col("proposal") == 0)["weighed"][-1] for _, t in done])
    assert lines[1][0][4].startswith(f"{mean:.4f}")
    written = hybrid_page.keep(done, tmp_path / "page.html")
    assert all(path.stat().st_size for path in written)
    whole = pl.read_csv(tmp_path / "page.csv")
    assert whole["proposal"].unique().sort().to_list() == sorted([*PROPOSALS, ALONE])
    assert "draws recurrence" in (tmp_path / "page.html").read_text()


def test_a_world_without_hypotheses_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="SULA has no finite set"):
        study(SULA(), network(), 5, (0,), PLAN)
