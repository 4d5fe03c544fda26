"""Watch: a live dashboard on this machine, fed from what runs store and shown by trackio.

The store stays the record of truth: any run can be watched, at any time, by anybody who can read its folder, and
it does not know. What trackio is told lies in a folder of its own, which goes when the watch ends.
"""

import os
import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from plasticity.core.errors import ConfigError
from plasticity.core.predictors import MODEL
from plasticity.plots.letters import letter
from plasticity.results.store import Cell, Run
from plasticity.results.stretches import Stretches
from plasticity.tracking.columns import columns
from plasticity.tracking.guard import Guard

PROJECT = "plasticity"
SECTIONS = {
    "window": "bits from the truth",
    "probe": "bits on held-out probes",
    "stream": "stream",
    "condition": "condition",
    "cost": "cost",
}
"""Section of a row -> section of the page, from above; skill is above them all."""
COLOURS = "#1f77b4 #ff7f0e #2ca02c #d62728 #9467bd #8c564b #e377c2 #7f7f7f #bcbd22 #17becf"
"""Tableau's ten: among trackio's own, two greens and two blues look alike."""
IDEALS = ("amnesic", "continual")
"""Observers who are drawn as if they were runs, so that they share the plot of the bits."""
VIEW = {"project": PROJECT, "smoothing": "0", "plots_per_row": "auto", "hide_empty_tabs": "true"}


class Watch(AbstractContextManager["Watch"]):
    """A server of trackio on this machine, and what it is told: every cell below some folders, also those to come.

    Args:
        folders: of runs, or of folders of runs.

    Raises:
        ImportError: trackio is missing.
    """

    url: str
    """Where the dashboard is, while the watch goes on; with the token without which nobody is answered."""

    def __init__(self, folders: Sequence[Path]):
        if find_spec("trackio") is None:
            raise ImportError("trackio is missing")
        self.folders = folders
        self._store = TemporaryDirectory(prefix="plasticity-watch-")
        self._followed: dict[Path, tuple[Stretches, dict[str, Any]]] = {}
        os.environ["TRACKIO_DIR"] = self._store.name
        os.environ["TRACKIO_PLOT_ORDER"] = ",".join(
            f"{section}/" for section in ("skill", *SECTIONS.values())
        )
        os.environ["TRACKIO_COLOR_PALETTE"] = ",".join(COLOURS.split())
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        import trackio  # reads where to write once, when it is imported
        from trackio import context_vars

        self._trackio, self._current = trackio, context_vars.current_run

    def __enter__(self) -> "Watch":
        with redirect_stdout(StringIO()):
            shown = self._trackio.show(
                PROJECT, open_browser=False, block_thread=False, share=False, host="127.0.0.1"
            )
        self._server, url = shown[:2]
        token, app = secrets.token_urlsafe(32), self._server.app
        app.middleware_stack = Guard(app.middleware_stack, token)  # before it knows of any run
        self.url = f"{url.rstrip('/')}/?{urlencode(VIEW | {'token': token})}"
        return self

    def __exit__(self, *fault: object) -> None:
        with redirect_stdout(StringIO()):
            for _, runs in self._followed.values():
                for run in runs.values():
                    run.finish()
        self._server.close()
        self._store.cleanup()

    def look(self) -> int:
        """Tell what was stored since the last look; the number of rows told."""
        told = 0
        cells = self._cells()
        for path in cells:
            if path not in self._followed:
                self._followed[path] = (Stretches(Cell(path)), self._begin(Cell(path), cells))
            stretches, runs = self._followed[path]
            for _, row in stretches.new():
                for who, run in runs.items():
                    run.log(shown(row, who), step=int(row["stream/step"]))
                told += 1
        return told

    def _cells(self) -> list[Path]:
        found = (p.parent for folder in self.folders for p in folder.glob("**/cells/*/cell.json"))
        return sorted(set(found), key=lambda path: (path.parent, Cell(path).meta["index"]))

    def _begin(self, cell: Cell, cells: Sequence[Path]) -> dict[str, Any]:
        """A run of trackio for the model and, in the first cell of a world, for each ideal."""
        launch, seed = cell.path.parent.parent, cell.seed
        of = told_apart(launch, {path.parent.parent for path in cells})
        kin = (
            path for path in cells if path.parent == cell.path.parent and Cell(path).seed == seed
        )
        runs = {MODEL: cell.name}
        if next(kin) == cell.path:
            runs |= {ideal: f"{ideal}-seed{seed}" for ideal in IDEALS}
        with redirect_stdout(StringIO()):
            begun = {
                who: self._trackio.init(
                    project=PROJECT,
                    name=f"{title}{of}",
                    group=launch.name,
                    config=columns({"optimizer": {}} | cell.meta) if who == MODEL else {},
                    embed=False,
                    auto_log_gpu=False,
                    auto_log_cpu=False,
                )
                for who, title in runs.items()
            }
        self._current.set(None)  # or trackio would write once more when Python ends
        return begun


def told_apart(launch: Path, launches: Collection[Path]) -> str:
    """What tells a run from the others that are watched: its experiment, its folder, or both; nothing if alone.

    Args:
        launch: the folder of the run.
        launches: those of all, itself too.
    """
    names = dict[Path, str]()
    for each in launches:
        try:
            names[each] = Run(each).name
        except ConfigError:  # damaged, and watched all the same
            names[each] = each.name
    alike = sum(name == names[launch] for name in names.values())
    of = f" {names[launch]}" * (len({*names.values()}) > 1)
    return of + f" {launch.name}" * (alike > 1)


def shown(row: Mapping[str, float], who: str) -> dict[str, float]:
    """What of a row is drawn, as section/title: of an observer its bits, of the model all but its many other scores.

    Args:
        row: of `Stretches`.
        who: the model or an observer.
    """
    found = (
        {f"{SECTIONS['window']}/KL, bits per position": row[key]}
        if (key := f"window/kl/{who}") in row
        else {}
    )
    if who != MODEL:
        return found
    if "window/skill" in row:
        found["skill/skill of the stretch"] = row["window/skill"]
    for key, value in row.items():
        section, _, rest = key.partition("/")
        if section != "window" and key != "stream/step" and (value or key != "stream/alarms"):
            found[f"{SECTIONS[section]}/{_title(rest)}"] = value
    return found


def _title(key: str) -> str:
    """Regimes have letters, as in a report; trackio would take a further slash for a section."""
    if key.startswith("regime") and key != "regime":
        return f"regime {letter(int(key.removeprefix('regime')))}"
    return key.replace("fresh", "fresh latents, tunnel ").replace("_", " ").replace("/", " ")
