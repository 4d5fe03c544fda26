"""The trainer's options change how fast a walk is, and no number."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from plasticity import discover, networks
from plasticity.engine import datamodule
from plasticity.engine.config import TrainerConfig
from streams import Abrupt, Markov

from .compiled import walked


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_made_ahead_are_the_same_batches(tmp_path: Path, workers: int) -> None:
    alone = walked(tmp_path / "0", TrainerConfig(threads=1))
    helped = walked(tmp_path / "1", TrainerConfig(threads=1, workers=workers))
    assert alone.equals(helped)


@pytest.mark.parametrize("room", [1, 10_000])
def test_how_many_steps_are_handed_over_together_changes_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    usual = walked(tmp_path / "0", TrainerConfig(threads=1))
    monkeypatch.setattr(datamodule, "ROOM", room)
    assert usual.equals(walked(tmp_path / "1", TrainerConfig(threads=1)))


def test_steps_are_handed_over_together_as_far_as_there_is_room_for_what_observers_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def chunk(batch: int, probe: int, room: int) -> int:
        monkeypatch.setattr(datamodule, "ROOM", room)
        return datamodule.StreamDataModule(
            Abrupt([Markov(3)], 2, 2, batch, 5, probe=probe), 2
        ).chunk

    step = 4 * 5 * 3
    assert chunk(4, 2, 10**9) == datamodule.CHUNK
    assert [chunk(4, 2, room * step) for room in (7, 1, 0)] == [7, 1, 1]
    assert chunk(2, 4, 7 * step) == 7 and chunk(2, 4, 7 * step - 1) == 6


def test_a_compiled_network_is_captured_whole_and_computes_the_same() -> None:
    """In a process of its own: the shape checks of the tests cannot be compiled."""
    script = Path(__file__).with_name("compiled.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() == discover(networks.__name__).keys()
    for name, (difference, options) in found.items():
        assert difference < 1e-4, name
        assert options == [{"mode": "default", "dynamic": False}]
