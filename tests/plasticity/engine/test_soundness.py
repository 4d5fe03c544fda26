"""What a run itself asserts at its probes: predictors say distributions, and nobody reads the next input."""

from functools import partial
from pathlib import Path

import pytest

from plasticity import Network, Recipe, Strategy, Tunnel, recipe
from plasticity.checks.world import SMALL, loop, world
from plasticity.engine.config import TrainerConfig
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.trainer import fit
from plasticity.results.store import Cell
from streams import Recurring, Urn

from ..checks.mutants.networks import ReadsTheNextInput, SeesTheFuture
from ..checks.mutants.strategies import PeeksAtInputs
from ..checks.mutants.tunnels import Edits, tempered, twice_at_the_end, unknown_at_first


class InformedIsEdited(Urn):
    """Only who knows the latent is wrong."""

    def informed(self, latents):
        return Edits(twice_at_the_end).observer()


@pytest.fixture(autouse=True)
def _small_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plasticity.observers.reference.SAMPLE", 512)  # they are not looked at


@pytest.mark.parametrize(
    ("tunnel", "message"),
    [
        (
            Edits(twice_at_the_end),
            r"Edits: the continual predictor \(Edited\) says \[.*\] of regime 0 at asked position 3",
        ),
        (
            Edits(unknown_at_first),
            r"Edits: the continual predictor \(Edited\) says \[nan, nan\] of regime 0",
        ),
        (InformedIsEdited([1.0, 1.0]), r"InformedIsEdited: the informed predictor \(Edited\) says"),
    ],
)
def test_a_predictor_that_says_no_distribution_ends_the_run(tunnel: Tunnel, message: str) -> None:
    data = StreamDataModule(Recurring([tunnel], 2, 2, 6, batch=2, time=4, probe=2), 6)
    with pytest.raises(ArithmeticError, match=message):
        data.on_before_batch_transfer(next(iter(data.val_dataloader())), 0)


@pytest.mark.parametrize(
    ("network", "strategy", "message"),
    [
        (
            Recipe(SeesTheFuture),
            Recipe(Strategy),
            "SeesTheFuture, answering for Strategy: .* probe of regime 0",
        ),
        (Recipe(ReadsTheNextInput), Recipe(Strategy), "ReadsTheNextInput, answering for Strategy"),
        (SMALL, recipe(PeeksAtInputs), "MLP, answering for PeeksAtInputs"),
    ],
)
def test_who_reads_the_next_input_ends_the_run(
    network: Recipe[Network], strategy: Recipe[Strategy], message: str, tmp_path: Path
) -> None:
    made, data = loop(strategy, network), StreamDataModule(world(), 6)
    with pytest.raises(ArithmeticError, match=message):
        fit(Cell(tmp_path), made, data, TrainerConfig(threads=1))


def test_a_wrong_posterior_that_is_a_distribution_is_for_the_kit() -> None:
    stream = Recurring([Edits(partial(tempered, power=1.5))], 2, 2, 6, batch=2, time=4, probe=2)
    data = StreamDataModule(stream, 6)
    assert data.on_before_batch_transfer(next(iter(data.val_dataloader())), 0)
