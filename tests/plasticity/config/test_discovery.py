"""Discovery: a stranger's package exports what is in its files, by the two lines that ours have."""

import subprocess
import sys
from pathlib import Path

STRATEGY = '''
"""A strategy."""
from plasticity import Strategy

class {0}(Strategy):
    """{0}: plain."""

class _Hidden(Strategy):
    """Not for a YAML."""
'''
INIT = """
from plasticity import discover

globals().update(discover(__name__))
"""
ASK = """
import kind_stranger
from plasticity import Strategy
from plasticity.config.plugins import known, load

assert not load()
print(*(name for name in ("Kind", "Deep", "_Hidden") if name in known(Strategy)))
print(*(name for name in ("Kind", "Deep", "_Hidden", "Strategy") if hasattr(kind_stranger, name)))
"""


def test_a_strangers_package_is_two_lines_and_its_files(tmp_path: Path) -> None:
    package = tmp_path / "kind_stranger"
    (package / "within").mkdir(parents=True)
    (package / "__init__.py").write_text(INIT)
    (package / "kind.py").write_text(STRATEGY.format("Kind"))
    (package / "within" / "__init__.py").write_text("")
    (package / "within" / "deep.py").write_text(STRATEGY.format("Deep"))
    info = tmp_path / "kind_stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kind-stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[plasticity.strategies]\nkind = kind_stranger\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{ASK}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["Kind Deep", "Kind Deep"], done.stderr
