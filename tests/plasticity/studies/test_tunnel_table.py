"""The tunnel table: its numbers are those of the definition, and what is done is not done again."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from plasticity import recipe
from plasticity.engine.config import Pretrain
from plasticity.engine.pretrain import fresh
from plasticity.engine.pretrain_key import WEIGHTS
from plasticity.launch.experiment import Experiment
from plasticity.metrics.summary import interval
from plasticity.networks import LSTM, MLP
from plasticity.studies.tunnel_table import curves, entries, rows, run, score
from plasticity.tracking import Wandb
from strategies import Frozen
from streams import SULA, Abrupt, Binding, Padded


def experiment(folder: Path, steps: int = 20) -> Experiment:
    return Experiment(
        name="binding",
        stream=recipe(
            Abrupt, tunnels=[recipe(Binding, size=3, pairs=3)], period=2, steps=2, time=5
        ),
        networks=[recipe(MLP, width=8, depth=1), recipe(LSTM, width=8, depth=1)],
        strategy=recipe(Frozen),
        pretrain=Pretrain(steps=steps, batch=8),
        seeds=[0, 1],
        wandb=Wandb("disabled"),
        out=str(folder),
    )


def test_a_network_that_says_uniform_scores_the_uniform_baseline() -> None:
    """Binding in closed form: at pair t a key is new with probability (1 - 1/V)^t, and known otherwise."""
    torch.manual_seed(0)
    network = MLP(6, 3, width=4, depth=1)
    torch.nn.init.zeros_(network.head.weight)
    torch.nn.init.zeros_(network.head.bias)
    world = fresh([Binding(3, 3)], Pretrain(steps=1, batch=1), 5, 0, probe=4096)
    table = score(network, world)
    assert table["position"].tolist() == [0, 2, 4]
    np.testing.assert_allclose(table["kl_amnesic/model"], table["kl_amnesic/uniform"], atol=1e-6)
    known = 1 - (2 / 3) ** np.arange(3)
    error = 4 * np.log2(3) * np.sqrt(known * (1 - known) / 4096)
    assert (np.abs(table["kl_amnesic/model"] - np.log2(3) * known) <= error + 1e-6).all()


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    wanted = entries([experiment(tmp_path)])
    assert [(e.label, e.seed) for e in wanted] == [("MLP", 0), ("LSTM", 0), ("MLP", 1), ("LSTM", 1)]
    for entry in wanted:
        curves(entry)
    kept = "*.[ps]a*"
    made = {p: p.stat().st_mtime_ns for p in tmp_path.rglob(kept)}
    assert sum(p.name == WEIGHTS for p in made) == 4
    assert list(run(wanted, jobs=2)) == [0, 1, 2, 3]
    assert made == {p: p.stat().st_mtime_ns for p in tmp_path.rglob(kept)}
    assert len(entries([experiment(tmp_path, steps=21)])) == 4
    curves(entries([experiment(tmp_path, steps=21)])[0])
    assert len(list(tmp_path.rglob(WEIGHTS))) == 5, "another plan is another pretraining"


def test_a_worker_makes_what_this_process_would(tmp_path: Path) -> None:
    wanted = entries([experiment(tmp_path / "here")])[:1]
    away = entries([experiment(tmp_path / "there")])[:1]
    assert list(run(away, jobs=2)) == [0]
    assert curves(wanted[0]).equals(curves(away[0]))


def test_rows_are_means_over_seeds_and_positions(tmp_path: Path) -> None:
    done = [(e, curves(e)) for e in entries([experiment(tmp_path)])]
    table = {row.predictor: row for row in rows(done)}
    assert list(table) == ["MLP", "LSTM", "memoryless", "position", "uniform", "best constant"]
    lstm = [curve for entry, curve in done if entry.label == "LSTM"]
    assert table["LSTM"].kl == [pytest.approx(c["kl_amnesic/model"].mean()) for c in lstm]
    assert table["memoryless"].of_memoryless == pytest.approx(1)
    assert table["MLP"].params == sum(p.numel() for p in MLP(6, 3, width=8, depth=1).parameters())


def test_the_best_constant_entropy_is_the_one_of_the_papers_task() -> None:
    """SULA at k = 0, 1, 2, 4, 8: .329 for the best constant (.096 bit), .363 for none at all (measured elsewhere)."""
    tunnels = [Padded(SULA(), vocab=20, symbols=2, length=2 * k + 1) for k in (0, 1, 2, 4, 8)]
    world = fresh(tunnels, Pretrain(steps=1, batch=1), 17, 0, probe=2000)
    table = score(MLP(20, 2, width=4, depth=1), world)
    assert table["entropy_error_amnesic/best constant"].mean() == pytest.approx(0.329, abs=0.01)
    exact = [tunnel.observer() for tunnel in tunnels]
    entropies = list[float]()
    for observer, tunnel in zip(exact, tunnels, strict=True):
        x, y = tunnel.draw(
            tunnel.latents(2000, np.random.default_rng(1)), 17, np.random.default_rng(2)
        )
        p = observer.predict(x, y)[:, tunnel.asked(17)]
        entropies += (-(p * np.log2(np.maximum(p, 1e-300))).sum(-1)).ravel().tolist()
    each = [float(np.abs(np.array(entropies) - c).mean()) for c in np.linspace(0, 1, 1001)]
    assert min(each) == pytest.approx(0.329, abs=0.01)
    assert np.argmin(each) / 1000 == pytest.approx(0.096, abs=0.005)
    assert each[0] == pytest.approx(0.363, abs=0.01)
    np.testing.assert_allclose(
        table["entropy_error_amnesic/best constant"].mean(), min(each), atol=0.015
    )


def test_the_interval_is_students() -> None:
    values = [0.1, 0.4, 0.35]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert interval(values) == pytest.approx((high - low) / 2)
    assert interval([0.1]) is None
