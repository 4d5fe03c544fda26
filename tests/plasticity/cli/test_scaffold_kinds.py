"""What `plasticity new` writes of every kind works at once, is typed, and imports what a stranger imports."""

import ast
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plasticity.checks.kit import CHECKS, run
from plasticity.cli.scaffold import create, kinds
from plasticity.core.network import Network
from plasticity.core.tunnel import Tunnel
from plasticity.metrics import glossary
from plasticity.metrics.formula import Formula
from plasticity.results import numbers

from ...calling import Call, said
from ...test_layers import imported
from .test_scaffold import ROOT, SHRUNK, install

NEW = {"tunnel": ("LoadedCoin", 2 * len(CHECKS[Tunnel])), "network": ("LookBack", 2 * len(CHECKS[Network])),
       "metric": ("worst_window", len(CHECKS[Formula]))}  # fmt: skip
"""Kind -> a name, and how many checks its own tests make."""
PACKAGES = ("loaded_coin", "look_back", "worst_window")
CACHED = (glossary.plugged, glossary.formulas, glossary.glossary, numbers.today)


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is installed and imported is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield
    monkeypatch.undo()
    for name in [name for name in sys.modules if name.startswith(PACKAGES)]:
        del sys.modules[name]
    for each in CACHED:
        each.cache_clear()


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("kind", NEW)
def test_it_works_at_once(kind: str, call: Call) -> None:
    """Its tests pass in an empty folder, the kit passes, and its experiment runs."""
    name, checks = NEW[kind]
    folder = Path(said(call, "new", kind, name).split()[1].removesuffix(";"))
    path = os.pathsep.join(map(str, (folder.resolve(), ROOT)))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    last = done.stdout.splitlines()[-1].split()
    counts = {
        word.strip(","): int(n) for n, word in zip(last, last[1:], strict=False) if n.isdigit()
    }
    assert done.returncode == 0 and counts["passed"] + counts.get("skipped", 0) == checks + 1, done
    assert counts.get("skipped", 0) <= 2  # a tunnel that lists no hypotheses
    install(folder)
    for each in CACHED:
        each.cache_clear()
    package = folder.name.replace("-", "_")
    lines = (folder / "README.md").read_text().splitlines()
    (checked,) = (line.split()[1:] for line in lines if line.startswith("    plasticity check "))
    done = call(*checked)
    assert done.code == 0 and "passed" in done.out and "FAILED" not in done.out, done
    done = call("run", str(folder / f"{package}.yaml"), *SHRUNK, "--run-dir=r", drawn=True)
    assert (done.code, done.err) == (0, "")
    listed = said(call, "explain", "metric", name) if kind == "metric" else said(call, "list")
    assert name in listed
    if kind == "metric":
        assert "worst_window" in (Path("r") / "report.html").read_text()


def test_what_is_written_is_typed_and_formatted_and_imports_plasticity_alone(
    tmp_path: Path,
) -> None:
    """Pyright, as a stranger has it who installed plasticity; ruff; and `from plasticity import ...`."""
    assert kinds() == ["metric", "network", "strategy", "tunnel"]
    for kind in kinds():
        create(kind, f"Some{kind.capitalize()}", tmp_path / kind, [])
        files = [*(tmp_path / kind).rglob("*.py")]
        assert len(files) == 2
        for file in files:
            used = [
                (how, name)
                for node in ast.walk(ast.parse(file.read_text()))
                for how, name in imported(node)
            ]
            ours = {(how, name) for how, name in used if name.startswith("plasticity")}
            assert {name for _, name in ours} <= {"plasticity", "plasticity.checks"}
            assert all(how.startswith("from") for how, _ in ours)
            if file.name == "__init__.py":
                assert {name for _, name in ours} == {"plasticity"}
    here = [sys.executable, "-m"]
    lint = ["--isolated", "--line-length=100"]
    everything = [
        [*here, "ruff", "format", "--check", *lint, str(tmp_path)],
        [*here, "ruff", "check", "--select=E,F,B,UP", *lint, str(tmp_path)],
        [*here, "pyright", "--pythonpath", sys.executable, str(tmp_path)],
    ]
    roots = [{"root": kind, "extraPaths": [kind]} for kind in kinds()]
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"executionEnvironments": roots}))
    for words in everything:
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout


GUARD = "if lost is not None or len(bits) < WINDOW:\n        return None\n"
LOST = "makes nothing of what is lost"
BROKEN = {
    ("tunnel", "cumsum(1) - targets", "cumsum(1)"): "posterior is causal",
    ("tunnel", "self.counts.sum()", "1 + self.counts.sum()"): "posterior matches frequencies",
    ("tunnel", "Counts(self.counts + np", "Counts(0 * self.counts + 1 + np"): "absorbing adds up",
    ("network", "(self.kernel - 1, 0)", "(self.kernel - 2, 1)"): "causal",
    ("network", "self.head(x.mT)", "self.head(x.mT - x.mT.mean(0))"): "rows are independent",
    (
        "metric",
        GUARD,
        "bits = np.nan_to_num(bits)\n",
    ): LOST,
    ("metric", "float(np", "str(np"): "gives its numbers",
}


@pytest.mark.parametrize(
    ("edit", "told"), BROKEN.items(), ids=[f"{k}-{new}" for k, _, new in BROKEN]
)
def test_a_typical_fault_fails_the_kit(
    edit: tuple[str, str, str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, old, new = edit
    name = f"broken_{kind}"
    file = create(kind, name, tmp_path, []) / name / "__init__.py"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module(name)
    try:
        subject = getattr(module, name if kind == "metric" else f"Broken{kind.capitalize()}")
        failed = {r.title for r in run(subject) if r.verdict == "FAILED"}
    finally:
        del sys.modules[name]
    assert told in failed
