"""Pretraining: its loss, its schedule, and a cache that is right, whole and taken up again."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from plasticity import recipe
from plasticity.core.learner import Spec
from plasticity.core.optimizer import AdamW
from plasticity.engine.config import Pretrain, TrainerConfig
from plasticity.engine.learner import OnlineLearner
from plasticity.engine.pretrain import Key, _Pretraining, checkpoints, fresh, gap, pretrained
from plasticity.engine.pretrain_key import fresh_network
from plasticity.networks import LSTM, MLP, Mamba
from plasticity.results.sealed import Damaged
from streams import Abrupt, Binding
from streams.tunnels.markov import Markov

TUNNEL = recipe(Markov, symbols=3, concentration=0.5)


def key(**change: Any) -> Key:
    stream = recipe(Abrupt, tunnels=[TUNNEL], period=5, steps=5, time=6)
    plan = Pretrain(steps=250, batch=4)
    base = Key(recipe(LSTM, width=6, depth=1), stream, plan, Spec(3, 3, 4, 6), 0, TrainerConfig())
    return base._replace(**change)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("pretrained")
    return folder, pretrained(key(), folder)[0]


class Stop(pl.Callback):
    """Presses ctrl-C in the third hundred of steps."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if pl_module.learner.step >= 225:
            raise KeyboardInterrupt


def test_a_killed_pretraining_goes_on_to_the_same_weights(
    made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        pretrained(key(), tmp_path, [Stop()])
    assert not list(tmp_path.rglob("weights*"))
    weights, cell = pretrained(key(), tmp_path)
    assert cell.timing.read()["step"].to_list() == [100, 200, 250]
    for name, value in made[1].items():
        assert torch.equal(value, weights[name])


def test_the_cache_is_used_and_never_wrongly(made: tuple[Path, dict[str, Any]]) -> None:
    folder, weights = made
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    again, cell = pretrained(key(), folder, [Stop()])  # it would stop, were there anything to do
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    assert all(torch.equal(value, again[name]) for name, value in weights.items())
    others = [
        key(network=recipe(LSTM, width=7, depth=1)),
        key(plan=Pretrain(steps=250, batch=4, lr=1e-3)),
        key(plan=Pretrain(steps=250, batch=4, episodes=2)),
        key(seed=1),
        key(spec=Spec(3, 3, 4, 7)),
        key(hardware=TrainerConfig(threads=1)),
        key(stream=recipe(Abrupt, tunnels=[TUNNEL, TUNNEL], period=5, steps=5, time=6)),
    ]
    assert len({k.cell(folder).path for k in [key(), *others]}) == 8
    assert key(hardware=TrainerConfig(workers=2)).cell(folder) == cell, (
        "who makes the batches is none"
    )
    rates = Pretrain(steps=250, batch=4, lrs={"LSTM": 1e-3, "MLP": 1.0})
    mine = key(plan=rates.of(LSTM)), key(plan=rates.of(Mamba))
    assert mine[0].cell(folder) == others[1].cell(folder), "its own learning rate"
    assert mine[1].cell(folder) == cell, "other networks' learning rates are no matter"
    longer = recipe(Abrupt, tunnels=[TUNNEL], period=50, steps=500, time=6)
    assert key(stream=longer).cell(folder) == cell, "the schedule of deployment is no matter"


def test_the_gap_is_the_last_probes_distance(made: tuple[Path, dict[str, Any]]) -> None:
    cell = key().cell(made[0])
    bits = cell.probes.read().sort("step")["kl_amnesic/model"].to_list()
    assert gap(cell) == bits[-1] < bits[0]


def test_the_cache_of_another_network_in_its_place_is_refused(
    made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """A folder is whole in itself wherever it lies; what it is of, it says."""
    other = key(seed=1).cell(tmp_path).path
    shutil.copytree(key().cell(made[0]).path, other)
    with pytest.raises(
        Damaged, match=r"cell.json: it is of another pretraining.* remove .*" + other.name
    ):
        pretrained(key(seed=1), tmp_path)


def test_a_record_that_ends_early_tells_no_gap(
    made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """Without its last part it would be that of an earlier step: a whole one, and another number."""
    mine = key().cell(tmp_path)
    shutil.copytree(key().cell(made[0]).path, mine.path)
    assert gap(pretrained(key(), tmp_path)[1]) == gap(mine)
    *_, last = sorted((mine.path / "probes").iterdir())
    last.unlink()
    with pytest.raises(Damaged, match="probes"):
        gap(pretrained(key(), tmp_path)[1])


def test_killed_between_the_weights_and_the_end_of_the_record_it_comes_to_the_same(
    made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    mine = key().cell(tmp_path)
    shutil.copytree(key().cell(made[0]).path, mine.path)
    (mine.path / "summary.json").unlink()
    weights, cell = pretrained(key(), tmp_path)
    assert cell.done and all(torch.equal(made[1][name], value) for name, value in weights.items())


@pytest.mark.parametrize("target", ["samples", "posterior"])
def test_both_targets_have_their_optimum_at_the_posterior(target: Any) -> None:
    """The mean gradient with respect to the logits vanishes there, and nowhere near by."""
    tunnel, plan = Binding(3, 3), Pretrain(steps=1, batch=20_000, target=target)
    world = fresh([tunnel], plan, 5, seed=0)
    batch, key = world.keyed(0)
    strategy = _Pretraining(plan)
    strategy.posterior = key.posterior
    learner = OnlineLearner(MLP(6, 3, width=4, depth=1), strategy, AdamW(), Spec(6, 3, 1, 5))
    truth = key.posterior[:, batch.asked].clamp_min(1e-12).log()
    shift = torch.tensor([0.3, 0.0, 0.0], dtype=torch.float64)
    sizes = []
    for extra in (0.0, 1.0):
        logits = torch.zeros(20_000, 5, 3, dtype=torch.float64)
        logits[:, batch.asked] = truth + extra * shift
        logits.requires_grad_()
        strategy.loss(learner, batch, logits).backward()
        assert logits.grad is not None
        sizes.append(float(logits.grad.sum((0, 1)).abs().max()))
    assert sizes[0] < (1e-9 if target == "posterior" else 4 / np.sqrt(20_000)) < sizes[1]


def test_the_learning_rate_warms_up_and_falls_to_nothing() -> None:
    plan = Pretrain(steps=100, batch=1, lr=0.5, warmup=10)
    strategy, network = _Pretraining(plan), MLP(3, 3, width=4, depth=1)
    learner = OnlineLearner(network, strategy, AdamW(), Spec(3, 3, 1, 4))
    learner.make_optimizer()
    network(torch.zeros(1, 2, dtype=torch.long)).sum().backward()
    rates = []
    for learner.step in range(100):
        strategy.project_gradients(learner)
        rates.append(learner.optimizer.param_groups[0]["lr"])
    assert rates[:10] == pytest.approx([0.05 * (i + 1) for i in range(10)])
    done = (np.arange(10, 100) - 10) / 90
    assert rates[10:] == pytest.approx(0.25 * (1 + np.cos(np.pi * done)))
    norm = torch.nn.utils.get_total_norm(
        [p.grad for p in network.parameters() if p.grad is not None]
    )
    assert norm <= plan.clip * 1.0001


def test_tunnels_of_its_own_are_trained_on_and_told_apart(
    made: tuple[Path, dict[str, Any]],
) -> None:
    """The stream's own tunnels give the same data and weights, others others; an alphabet that differs is refused."""
    folder, weights = made
    same = key(plan=Pretrain(steps=250, batch=4, tunnels=[TUNNEL]))
    assert same.cell(folder).path == key().cell(folder).path
    other = recipe(Markov, symbols=3, concentration=5.0)
    changed = key(plan=Pretrain(steps=250, batch=4, tunnels=[other]))
    assert changed.cell(folder).path != key().cell(folder).path
    assert [t.concentration for t in changed.tunnels() if isinstance(t, Markov)] == [5.0]
    trained, _ = pretrained(changed, folder)
    assert any(not torch.equal(value, weights[name]) for name, value in trained.items())
    wrong = key(plan=Pretrain(steps=2, tunnels=[recipe(Markov, symbols=4)]))
    with pytest.raises(ValueError, match=r"pretrain\.tunnels: .*\(4, 4\), the stream \(3, 3\)"):
        wrong.tunnels()


@pytest.mark.parametrize("target", ["samples", "posterior"])
def test_two_processes_learn_what_one_learns(target: Any, tmp_path: Path) -> None:
    """Lightning's DDP over gloo: the same batches, probes and weights, but for the order of sums."""
    plan = Pretrain(steps=120, batch=4, target=target)
    one, two = (
        pretrained(key(plan=plan, hardware=TrainerConfig(devices=n, threads=1)), tmp_path / str(n))
        for n in (1, 2)
    )
    for name, value in one[0].items():
        torch.testing.assert_close(value, two[0][name], rtol=0, atol=1e-5)
    tables = [cell.probes.read() for _, cell in (one, two)]
    assert tables[0].shape == tables[1].shape and len(tables[0]) == 3
    for column in tables[0].columns:
        np.testing.assert_allclose(tables[0][column], tables[1][column], atol=1e-5)


def test_weights_are_kept_on_the_way(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """Those of the start, of step 7 and of the end; none of them is anybody else's file."""
    plan = Pretrain(steps=20, batch=4, checkpoints=[20, 7, 0, 7])
    kept, plain = key(plan=plan), key(plan=Pretrain(steps=20, batch=4))
    assert kept.inputs() != plain.inputs()
    assert "checkpoints" not in plain.settings()["pretrain"]
    weights, cell = pretrained(kept, tmp_path)
    other, _ = pretrained(plain, tmp_path)
    assert all(torch.equal(value, other[name]) for name, value in weights.items())
    found = dict(checkpoints(kept, cell))
    assert [*found] == [0, 7, 20]
    first = fresh_network(kept.network, kept.spec, kept.seed).state_dict()
    assert all(torch.equal(value, first[name]) for name, value in found[0].items())
    assert all(torch.equal(value, weights[name]) for name, value in found[20].items())
    assert not torch.equal(found[7]["head.weight"], found[0]["head.weight"])
    assert not torch.equal(found[7]["head.weight"], found[20]["head.weight"])
    (cell.path / "weights-0000000.safetensors").replace(cell.path / "weights-0000007.safetensors")
    with pytest.raises(Damaged, match="weights-0000000.safetensors: it is missing; to start"):
        dict(checkpoints(kept, cell))
    (cell.path / "weights-0000000.safetensors").write_bytes(
        (cell.path / "weights-0000007.safetensors").read_bytes()
    )
    with pytest.raises(Damaged, match=r"7.safetensors: it is damaged, or was written for another"):
        dict(checkpoints(kept, cell))


def test_a_checkpoint_beyond_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match="checkpoints: expected steps up to 20, the last one, got"):
        Pretrain(steps=20, checkpoints=[0, 21])
