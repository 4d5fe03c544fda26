"""What any logger is told: each row once, under columns by which runs can be sorted."""

from pathlib import Path

from pytorch_lightning.loggers.logger import DummyLogger

from plasticity import recipe
from plasticity.checks.world import STEPS, loop, world
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.trainer import fit
from plasticity.results.store import Cell
from plasticity.tracking.columns import columns, tags
from strategies import Finetune


class Listener(DummyLogger):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[int, dict[str, float]] = {}

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Each row once."""
        assert step not in self.rows
        self.rows[step] = dict(metrics)


def test_a_run_killed_behind_its_last_checkpoint_is_told_again(tmp_path: Path) -> None:
    """Its file may have lost all that was told, and no stretch is to come."""
    first, again = Listener(), Listener()
    for listener in (first, again):
        module, data = loop(recipe(Finetune)), StreamDataModule(world(), STEPS // 3)
        fit(Cell(tmp_path), module, data, TrainerConfig(threads=1), [listener])
    assert again.rows == first.rows and list(first.rows) == [0, 1, 2, 3]


def test_a_strategys_own_learning_rate_holds() -> None:
    config = {"strategy": {"type": "EWC", "lr": 0.1}, "optimizer": {"type": "AdamW", "lr": 0.3}}
    assert columns(config)["strategy"]["lr"] == 0.1
    assert columns(config | {"strategy": {"lr": None}})["strategy"]["lr"] == 0.3


def test_tags_name_strategies_within_a_strategy() -> None:
    parts = [{"type": "Replay"}, {"type": "L2Init"}]
    assert tags({"strategy": {"type": "Chain", "parts": parts}}) == ["Chain", "L2Init", "Replay"]
