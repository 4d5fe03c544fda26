"""What a walk writes of its network's condition; and that the walk does not notice."""

import math
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import pytorch_lightning as lightning
import torch
import torch.nn.functional as F

from plasticity import Strategy, networks, recipe
from plasticity.checks.chance import difference
from plasticity.checks.world import SMALL, SPEC, STEPS, loop, world
from plasticity.config.recipe import Recipe
from plasticity.diagnostics import Condition
from plasticity.diagnostics.callback import ConditionRecorder
from plasticity.diagnostics.geometry.online import INSIDE
from plasticity.diagnostics.trainability import APART, _Held, _Merged
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.prequential import Prequential
from plasticity.engine.pretrain import fresh_network
from plasticity.engine.trainer import fit
from plasticity.results.store import Cell, Run
from strategies import Finetune, Frozen, Kalman, LoRA, ReDo

from ...calling import Call

STRETCH = 2
FINETUNE, ADAPTERS = recipe(Finetune), recipe(LoRA, rank=2)


class Killed(Exception):
    """Somebody pulled the plug."""


class Kill(lightning.Callback):
    """At the end of a stretch: after the row of the condition, before the checkpoint."""

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: object) -> None:
        if trainer.current_epoch == 3:
            raise Killed


def walked(
    folder: Path,
    strategy: Recipe[Strategy] = FINETUNE,
    condition: Condition | None = None,
    callbacks: tuple[lightning.Callback, ...] = (),
    network: type = networks.MLP,
    steps: int = STEPS,
) -> tuple[Cell, Prequential]:
    cell, stream = Cell(folder), world(steps)
    small = recipe(network, **SMALL.args)
    made = loop(strategy, small)
    fresh = partial(fresh_network, small, SPEC, 0)
    if condition:
        callbacks = (ConditionRecorder(cell, condition, stream, fresh), *callbacks)
    fit(
        cell, made, StreamDataModule(stream, STRETCH), TrainerConfig(threads=1), callbacks=callbacks
    )
    return cell, made


@pytest.mark.parametrize(
    "strategy",
    [FINETUNE, ADAPTERS, recipe(ReDo, every=3, tau=0.5), recipe(Kalman)],
    ids=lambda r: r.cls.__name__,
)
def test_a_walk_that_is_measured_is_the_same_walk(
    strategy: Recipe[Strategy], tmp_path: Path
) -> None:
    one, alone = walked(tmp_path / "0", strategy)
    plan = Condition(every=1, hessian=2, trainability=2)
    other, measured = walked(tmp_path / "1", strategy, plan)
    assert not difference(alone.state_dict(), measured.state_dict())
    assert one.steps.read().equals(other.steps.read(), null_equal=True)
    assert one.probes.read().equals(other.probes.read(), null_equal=True)
    assert one.condition.read().is_empty() and len(other.condition.read()) == 1 + STEPS // STRETCH


def same(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    return one.columns == other.columns and np.array_equal(
        one.to_numpy(), other.to_numpy(), equal_nan=True
    )


@pytest.mark.parametrize(
    "network, strategy", [(networks.MLP, ADAPTERS), (networks.Transformer, FINETUNE)]
)
def test_a_walk_that_is_taken_up_again_writes_the_same_numbers(
    network: type, strategy: Recipe[Strategy], tmp_path: Path
) -> None:
    plan = Condition(every=1, hessian=2, trainability=3)
    whole, _ = walked(tmp_path / "whole", strategy, plan, network=network)
    with pytest.raises(Killed):
        walked(tmp_path / "cut", strategy, plan, (Kill(),), network)
    cut = Cell(tmp_path / "cut")
    assert cut.condition.read()["step"].to_list() == [0, 2, 4, 6, 8]
    assert len(cut.steps.read()) == 6
    walked(tmp_path / "cut", strategy, plan, network=network)
    assert same(cut.condition.read(), whole.condition.read())


@pytest.mark.parametrize("every, steps", [(4, [0, 8, 12]), (6, [0, 12]), (0, [])])
def test_rows_come_before_the_first_step_every_so_often_and_at_the_end(
    every: int, steps: list[int], tmp_path: Path
) -> None:
    cell, _ = walked(tmp_path, condition=Condition(every=every))
    rows = cell.condition.read()
    assert (rows["step"].to_list() if every else rows.rows()) == steps


def test_a_look_inside_changes_nothing_and_is_taken_up_again(tmp_path: Path) -> None:
    """Tables with `inside` hold the same numbers in their other columns, to the bit; a cut walk writes the same."""
    run = partial(walked, network=networks.Transformer)
    off, alone = run(tmp_path / "off", condition=Condition(every=2))
    plan = Condition(every=2, inside=3)
    whole, seen = run(tmp_path / "whole", condition=plan)
    assert not difference(alone.state_dict(), seen.state_dict())
    assert off.steps.read().equals(whole.steps.read(), null_equal=True)
    rows = whole.condition.read()
    own = [name for name in rows.columns if name not in INSIDE]
    shared = rows.filter(rows["step"].is_in(off.condition.read()["step"].to_list()))
    assert same(shared.select(own), off.condition.read())
    assert rows["step"].to_list() == [0, 4, 6, 8, 12]
    known = [math.isfinite(v) for v in rows["routing/tv"]]
    assert known == [True, False, True, False, True]
    assert [math.isfinite(v) for v in rows["weight/l2"]] == [True, True, False, True, True]
    first, last = (rows.row(i, named=True) for i in (0, -1))
    assert first["routing/tv"] < 1e-6 and first["values/moved"] < 1e-6
    assert last["routing/tv"] > 1e-3 and last["values/moved"] > 1e-3
    with pytest.raises(Killed):
        run(tmp_path / "cut", condition=plan, callbacks=(Kill(),))
    cut, _ = run(tmp_path / "cut", condition=plan)
    assert same(cut.condition.read(), rows)


def test_only_the_inside_is_measured_where_only_that_is_asked_for(tmp_path: Path) -> None:
    """Of a frozen transformer it stays; of a network without attention there is the belief alone."""
    cell, _ = walked(
        tmp_path / "0", recipe(Frozen), Condition(every=0, inside=1), (), networks.Transformer
    )
    rows = cell.condition.read()
    assert rows.columns == ["step", *INSIDE] and len(rows) == 1 + STEPS // STRETCH
    assert rows["routing/tv"].to_numpy().max() < 1e-6 and rows["belief/r2"].n_unique() == 1
    blind, _ = walked(tmp_path / "1", recipe(Frozen), Condition(every=0, inside=6))
    last = blind.condition.read().row(-1, named=True)
    assert math.isnan(last["focus"]) and math.isfinite(last["belief/r2"])


def test_distances_are_from_where_weights_were(tmp_path: Path) -> None:
    cell, made = walked(tmp_path / "0", condition=Condition(every=1))
    rows = cell.condition.read()
    pairs = zip(loop(FINETUNE).parameters(), made.parameters(), strict=True)
    square = sum((now - before).square().sum().item() for before, now in pairs)
    assert rows["weight/distance"][-1] == pytest.approx(math.sqrt(square), rel=1e-5)
    first = rows.row(0, named=True)
    assert first["weight/distance"] == 0 and first["drift/cka2019"] < 1e-12
    assert math.isnan(first["update/l2"]) and math.isnan(first["plasticity/upgd2024"])
    assert rows["update/l2"][1] == rows["weight/distance"][1] > 0  # one stretch from the start
    assert rows["update/l2"][-1] < rows["weight/distance"][-1]
    assert ((rows["plasticity/upgd2024"] > 0) & (rows["plasticity/upgd2024"] < 1))[1:].all()
    still, _ = walked(tmp_path / "1", recipe(Frozen), Condition(every=1))
    last = still.condition.read().row(-1, named=True)
    names = "weight/distance", "update/l2", "plasticity/upgd2024"
    assert [last[name] for name in names] == pytest.approx([0, 0, 0], abs=1e-12)


def test_plasticity_is_the_share_of_the_loss_that_its_own_step_removed(tmp_path: Path) -> None:
    """Against a walk that ends one step earlier."""
    last = world()[STEPS - 1]
    losses = list[float]()
    for steps in (STEPS - 1, STEPS):
        cell, made = walked(tmp_path / f"{steps}", condition=Condition(), steps=steps)
        logits = made.learner(last.inputs)[:, last.asked]
        losses.append(F.cross_entropy(logits.mT, last.targets[:, last.asked]).item())
        found = cell.condition.read()["plasticity/upgd2024"][-1]
    assert losses[1] < losses[0]
    assert found == pytest.approx(1 - losses[1] / losses[0], rel=1e-4)


def test_trainability_is_the_log_loss_of_a_walk_through_a_world_of_its_own(tmp_path: Path) -> None:
    """Finetune, scored by the engine, from the same beginnings."""
    plan = Condition(trainability=5, lr=1e-2)  # the rate of the little world's learners
    cell, made = walked(tmp_path / "0", condition=plan)
    rows = cell.condition.read()
    names = [f"trainability/{name}" for name in ("now", "start", "fresh", "ratio")]
    assert rows[:-1].select(names).to_numpy().size and np.isnan(rows[:-1].select(names)).all()
    now, start, fresh, ratio = rows.select(names).row(-1)
    assert start == fresh != now  # nothing was pretrained
    assert ratio == now / fresh
    stream = world()
    apart = _Held(stream.tunnels, 1, 5, stream.batch, stream.time, probe=1, seed=APART)
    assert not np.array_equal(apart.latent(0), stream.latent(0))
    for expected, weights in ((fresh, None), (now, made.learner.network.state_dict())):
        again = loop(FINETUNE)
        if weights:
            again.learner.network.load_state_dict(weights)
        other = Cell(tmp_path / f"{expected}")
        fit(other, again, StreamDataModule(apart, 5), TrainerConfig(threads=1))
        assert other.steps.read()["kl_realised/model"].mean() == pytest.approx(expected, rel=1e-5)


def test_adapters_are_merged_before_a_trial(tmp_path: Path) -> None:
    _, made = walked(tmp_path, ADAPTERS)
    plain = fresh_network(SMALL, SPEC, 0)
    names = [name for name, _ in plain.named_parameters()]
    plain.load_state_dict(_Merged(made.learner.network)(names))
    inputs = world().probes()[0].inputs
    torch.testing.assert_close(plain(inputs), made.learner(inputs), rtol=1e-5, atol=1e-6)


def test_a_yaml_says_what_is_measured(call: Call) -> None:
    args = "--condition.every=1", "--condition.hessian=2", "--condition.trainability=2"
    done = call("run", "good.yaml", "--run-dir", "measured", *args)
    assert done.code == 0, done.err
    for cell in Run(Path("measured")).cells():
        rows = cell.condition.read()
        assert rows["step"].to_list() == [0, 5, 10]
        assert np.isfinite(rows.row(-1)).all()
    done = call("run", "good.yaml", "--condition.every=0", "--condition.hessian=2")
    assert done.code == 2 and "condition.every" in done.err and "expected 1 or more" in done.err
