"""Hardware's options change how fast a walk is, and no number."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from plasticity import networks
from plasticity.walk import Hardware

from .compiled import walked


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_made_ahead_are_the_same_batches(tmp_path: Path, workers: int) -> None:
    alone = walked(tmp_path / "0", Hardware(threads=1))
    helped = walked(tmp_path / "1", Hardware(threads=1, workers=workers))
    assert alone.equals(helped)


def test_a_compiled_network_is_captured_whole_and_computes_the_same() -> None:
    """In a process of its own: the shape checks of the tests cannot be compiled."""
    script = Path(__file__).with_name("compiled.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() == set(networks.__all__)
    for name, (difference, options) in found.items():
        assert difference < 1e-4, name
        assert options == [{"mode": "default", "dynamic": False}]
