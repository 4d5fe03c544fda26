"""The wheel and the source distribution: what is in them, and that an installation from them runs, away from here."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORLD = """
stream: {type: Recurring, tunnels: [{type: Urn, alpha: [1, 1]}], regimes: 2, period: 2, steps: 4, batch: 2, time: 4}
network: {type: LSTM, width: 4, depth: 1}
strategies: [{type: Frozen}, {type: Replay, capacity: 4}]
stretch: 2
wandb: {mode: disabled}
"""


def run(*words: str | Path, cwd: Path) -> str:
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True, env=clean)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel that was made from the source distribution, and of that."""
    to = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", to, ROOT, cwd=to)
    return to


def test_both_hold_the_packages_and_their_data(built: Path) -> None:
    [wheel], [source] = built.glob("*.whl"), built.glob("*.tar.gz")
    inside = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "plasticity/py.typed",
        "plasticity/report/templates/uPlot.iife.min.js",
        "streams/tunnels/urn.py",
    ):
        assert name in inside
    tracked = run("git", "ls-files", "plasticity", "streams", "strategies", cwd=ROOT).split()
    wanted = {name for name in tracked if "/docs/" not in name and (ROOT / name).exists()}
    assert wanted <= inside, wanted - inside
    [licence] = (name for name in inside if name.endswith("dist-info/licenses/LICENSE"))
    [metadata] = (name for name in inside if name.endswith("dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as file:
        assert b"Apache License" in file.read(licence)
        assert "License-Expression: Apache-2.0" in file.read(metadata).decode()
    with tarfile.open(source) as file:
        assert {"pyproject.toml", "README.md"} <= {Path(n).name for n in file.getnames()}


def test_the_citation_is_of_this_version() -> None:
    """The keys that the Citation File Format 1.2.0 asks for, and what the package says of itself."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert cited["cff-version"] == "1.2.0" and cited["title"] and cited["message"]
    assert all("name" in who or "family-names" in who for who in cited["authors"])
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])


def test_an_installation_from_the_wheel_runs(built: Path, tmp_path: Path) -> None:
    """Its dependencies are those that are installed here; pip could bring them, in minutes."""
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    [site] = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (site / "here.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    [wheel] = built.glob("*.whl")
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index",
        "--ignore-installed", wheel, cwd=tmp_path)  # fmt: skip
    where = run(python, "-c", "import plasticity; print(plasticity.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(site)
    (tmp_path / "small.yaml").write_text(WORLD)
    told = run(tmp_path / "venv" / "bin" / "plasticity", "run", "small.yaml", cwd=tmp_path)
    assert "Replay" in told and list(tmp_path.glob("runs/experiment/*/report.html"))
