"""The site builds without a warning, and the code that its pages print is code that works."""

import json
import os
import pydoc
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from plasticity import Learner, Network, Strategy, Stream, Tunnel
from plasticity.cli import app
from plasticity.metrics.glossary import glossary

from .calling import Call

DOCS = Path(__file__).parents[1] / "plasticity" / "docs"
PRINTED = {
    "own_tunnel.md": ("my_tunnel.Dice", "my_observer.WrittenOut"),
    "own_network.md": ("my_network.GRU",),
    "own_metric.md": ("my_metric.worst_step",),
    "own_parts.md": ("my_parts.Toss", "my_parts.Lion", "my_parts.Above", "my_parts.Plain"),
}


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    words = ["build", "--strict", "--quiet", "-f", str(DOCS / "mkdocs.yml"), "-d", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", *words],
        capture_output=True,
        text=True,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    glossary = (tmp_path / "glossary" / "index.html").read_text()
    assert "forgetting/chaudhry2018" in glossary
    reference = (tmp_path / "reference" / "index.html").read_text()
    for name in ("Tunnel", "DirichletObserver", "BeliefRevision", "OnlineLaplace"):
        assert f">{name}<" in reference or f'"{name}' in reference or f" {name}\n" in reference, (
            name
        )


def test_every_key_of_a_yaml_is_on_its_page() -> None:
    """Whatever the schema of an editor knows: each class, under its kind, with a row for each argument."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import hooks; print(hooks.yaml_keys())"
    words = [sys.executable, "-c", code, str(DOCS)]  # where no test has made a class of its own
    page = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    tables = {part.partition("\n")[0]: part for part in re.split(r"^##+ ", page, flags=re.M)}

    def holds(title: str, schema: dict[str, Any]) -> None:
        rows = set(re.findall(r"^\| `(\w+)` \|", tables[title], re.M))
        assert rows == schema.get("properties", {}).keys() - {"type"}, title

    made = subprocess.run(
        [sys.executable, "-m", "plasticity", "schema"], capture_output=True, text=True, check=True
    )
    schema = json.loads(made.stdout)
    holds("experiment", schema)
    for key, title in {"Pretrain": "pretrain", "Meta": "pretrain.meta", "Wandb": "wandb"}.items():
        holds(title, schema["$defs"][key])
    classes = [each for part in schema["$defs"].values() for each in part.get("anyOf", ())]
    assert len(classes) > 80
    for each in classes:
        holds(each["properties"]["type"]["const"], each)
    assert {"sweep", "suite", "suite.tuning", "suite.budget"} <= tables.keys()


def test_every_command_of_a_page_is_one() -> None:
    """Its name and its options; nothing is run."""
    group: Any = typer.main.get_command(app)
    lines = [
        line.partition(" #")[0].strip()
        for page in (*DOCS.glob("pages/*.md"), DOCS.parents[1] / "README.md")
        for line in page.read_text().splitlines()
        if re.match(r"( {4,}|)plasticity \w", line)
    ]
    assert len(lines) > 50
    for line in lines:
        name, *words = shlex.split(line)[1:]
        command = group.commands[name]
        if name == "bench":  # a group, in which `run` need not be written
            name = words.pop(0) if words and words[0] in command.commands else "run"
            command = command.commands[name]
        context = command.make_context(name, words)
        unknown = [w for w in context.args if w.startswith("--") and "=" not in w]
        assert not unknown, line


def test_the_page_of_python_runs(tmp_path: Path) -> None:
    """Its blocks, one after the other; and the first of them again, which finds all done."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (DOCS / "pages" / "python.md").read_text(), re.M | re.S
    )
    assert len(blocks) == 2 and len(blocks[0].splitlines()) <= 20
    checks = """
import matplotlib.axes, polars
assert results.summary["label"].to_list() == ["Frozen", "Finetune", "Replay"] and results.summary["done"].all()
assert isinstance(results.steps, polars.DataFrame) and len(results.steps) == 3 * 40
assert isinstance(plots.bars(skills), matplotlib.axes.Axes)
assert len(losses) == 40 and sum(losses[5:10]) < sum(losses[:5]), losses
"""
    code = "import torch; torch.manual_seed(0)\n" + "\n".join([*blocks, blocks[0], checks])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("already done") == 3 and (tmp_path / "skill.svg").exists()


def test_the_page_of_avalanche_runs(tmp_path: Path) -> None:
    """Its blocks, one after the other; and what it says of them."""
    text = (DOCS / "pages" / "avalanche.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert len(blocks) == 3
    checks = """
assert results.summary["done"].all() and len(results.summary) == 3, results.summary
assert len(benchmark.train_stream) == 4 and len(benchmark.test_stream) == len(stream.probes())
(loss,) = found.values()
assert 0 < loss < 2, found
assert len(losses) == 40 and {k for _, k in losses} == {0, 1, 2, 3}
"""
    home = {"HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}  # Avalanche writes a file there
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*blocks, checks])], cwd=tmp_path, capture_output=True,
        text=True, env=os.environ | home,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    named = re.findall(r"`(forgetting/\w+|cost/\w+)`", text)
    known = {entry.id for entry in glossary()}
    assert named and {*named} <= known | {"cost/memory_bytes"}


@pytest.mark.parametrize("page", PRINTED)
def test_printed_classes_pass_the_kit(page: str, call: Call) -> None:
    text = (DOCS / "pages" / page).read_text()
    for name, code in re.findall(r'^```python title="(.*?)"\n(.*?)^```$', text, re.M | re.S):
        Path(name).write_text(code)
    for subject in PRINTED[page]:
        (line,) = set(re.findall(rf"plasticity (check {re.escape(subject)}.*?)(?:`|$)", text, re.M))
        done = call(*shlex.split(line))
        assert done.code == 0 and "FAILED" not in done.out and "passed" in done.out, done.out
    for name in [
        n for n in sys.modules if n in ("my_tunnel", "my_observer", "my_metric", "my_parts")
    ]:
        del sys.modules[name]


@pytest.mark.parametrize("contract", [Strategy, Learner, Tunnel, Network, Stream])
def test_pydoc_tells_of_every_attribute_of_a_contract(contract: type) -> None:
    """The guides send their readers there, and it leaves out what stands below an attribute."""
    text = pydoc.plain(pydoc.render_doc(contract))
    for name in [name for name in contract.__annotations__ if not name.startswith("_")]:
        assert re.search(rf"^ \|      {name}: \S", text, re.M), name


def test_every_page_is_in_the_navigation() -> None:
    """Of a page that nobody can reach, mkdocs only whispers."""
    config = (DOCS / "mkdocs.yml").read_text()
    for page in DOCS.glob("pages/*.md"):
        assert f": {page.name}\n" in config, page.name
