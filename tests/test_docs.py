"""The site builds without a warning, and the code that its pages print is code that works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .calling import Call

DOCS = Path(__file__).parents[1] / "plasticity" / "docs"
PRINTED = {"own_tunnel.md": "my_tunnel.Dice", "own_network.md": "my_network.GRU"}


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


@pytest.mark.parametrize(("page", "subject"), PRINTED.items(), ids=PRINTED)
def test_printed_classes_pass_the_kit(page: str, subject: str, call: Call) -> None:
    text = (DOCS / "pages" / page).read_text()
    name, code = re.findall(r'^```python title="(.*?)"\n(.*?)^```$', text, re.M | re.S)[0]
    assert f"plasticity check {subject}" in text and name == subject.partition(".")[0] + ".py"
    Path(name).write_text(code)
    done = call("check", subject)
    assert done.code == 0 and "FAILED" not in done.out and "passed" in done.out, done.out


def test_every_page_is_in_the_navigation() -> None:
    """Of a page that nobody can reach, mkdocs only whispers."""
    config = (DOCS / "mkdocs.yml").read_text()
    for page in DOCS.glob("pages/*.md"):
        assert f": {page.name}\n" in config, page.name
