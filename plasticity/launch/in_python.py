"""Running from Python: an experiment that no YAML describes, and what it found."""

from pathlib import Path

import polars as pl
from rich.console import Console

from plasticity.launch.experiment import Experiment
from plasticity.launch.folder import create, resolved
from plasticity.results.load import Results, load
from plasticity.results.store import Run


def run(experiment: Experiment, folder: str | Path | None = None) -> Results[pl.DataFrame]:
    """Run every cell of an experiment; the folder is like that of any run, and can be resumed and reported.

    Args:
        experiment: what runs.
        folder: of this run; one in which this very experiment has begun is taken up, so that a cell of a notebook can
            be run again. None: <out>/<name>/<time>.

    Returns:
        Its tables and numbers, as `load` gives them.

    Raises:
        ConfigError: some part cannot be built, or the folder is in use.
        RuntimeError: some cells failed; names them.
    """
    from plasticity.launch.run import run as run_cells  # Lightning, for those who run

    place = None if folder is None else Path(folder)
    file = place and place / "experiment.yaml"
    if place and file and file.exists() and file.read_text() == resolved(experiment):
        where = Run(place)
    else:
        where = create(experiment, place)
    if failed := run_cells(experiment, where, Console()):
        raise RuntimeError(f"{', '.join(failed)}: failed; error.txt in {where.path}/cells says why")
    return load(where.path)
