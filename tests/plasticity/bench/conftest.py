"""The tiny suite run once, for all who look at its results."""

from pathlib import Path

import pytest

from plasticity.bench.contest import Contest

from .arena import suite


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.yaml and its results.json, of the suite's strategies and a contender."""
    folder = tmp_path_factory.mktemp("submit")
    words = "--contenders=[{type: L2Init, strength: 0.1}]"
    contest = Contest(suite(folder, words), str(folder / "runs"), 1)
    list(contest.run())
    contest.results().write(folder / "results.json")
    return folder
