"""No file of a stranger runs code: neither what would run by itself in an unsafe reader, nor with a seal that fits."""

import re
import shutil
from pathlib import Path

import pytest

import plasticity

from ..calling import Call
from .amount import FULL, Tally
from .payloads import payloads, put
from .reading import CELL, called

ROOT = Path(plasticity.__file__).parents[1]
UNSAFE = (
    r"\bc?pickle\b|\b(cloudpickle|dill|marshal|shelve|jsonpickle)\b|weights_only=False|allow_pickle=True"
    r"|\byaml\.((unsafe|full)_)?load(_all)?\(|\b(Unsafe|Full)Loader\b|\byaml\.C?Loader\b|(?<![.\w])(eval|exec)\("
)
"""Words of readers that run what they read. (`network.eval()`, a method, is none.)"""
READ = [("report", "unfinished"), ("compare", "unfinished", "finished"), ("resume", "unfinished")]
MATRIX = ("matrix", f"unfinished/cells/{CELL}", "--prompts", "12", "--to", "m.html")
WEIGHTS = ("matrix", "chaos.yaml", "--prompts", "12", "--to", "m.html", "--weights")
CELLS = f"unfinished/cells/{CELL}"
TARGETS: dict[str, list[tuple[str, ...]]] = {
    f"{CELLS}/checkpoint.safetensors": [MATRIX, *READ],
    f"{CELLS}/checkpoint.ckpt": [MATRIX, *READ],
    f"{CELLS}/cell.json": [MATRIX, *READ],
    f"{CELLS}/steps/00000.parquet": [MATRIX, *READ],
    f"{CELLS}/probes/00001.parquet": READ,
    f"{CELLS}/error.txt": READ,
    "unfinished/cells/Frozen-seed1/summary.json": READ,
    "unfinished/environment.json": [MATRIX, *READ],
    "unfinished/experiment.yaml": [MATRIX, *READ],
    "CACHE/weights.safetensors": [MATRIX, READ[-1]],
    "CACHE/weights.pt": [MATRIX, READ[-1]],
    "CACHE/cell.json": [MATRIX, READ[-1]],
    "CACHE/probes/00001.parquet": [MATRIX, READ[-1]],
    "CACHE/checkpoint.safetensors": [MATRIX, READ[-1]],
    "chaos.yaml": [("run", "chaos.yaml"), ("validate", "chaos.yaml"), ("sweep", "chaos.yaml")],
    "evil.pt": [(*WEIGHTS, "evil.pt")],
    "evil.safetensors": [(*WEIGHTS, "evil.safetensors")],
    "evil.ckpt": [(*WEIGHTS, "evil.ckpt")],
    "results.json": [("bench", "submit", "results.json")],
    "suite.yaml": [("bench", "submit", "results.json", "--suite", "suite.yaml")],
}
"""File -> what opens it, or would, were it older. CACHE is the pretrained network of the unfinished run."""
TITLES = list(payloads(Path("sentinel")))


@pytest.mark.parametrize("title", TITLES)
def test_no_payload_runs(title: str, here: Call, whole: Path, tmp_path: Path, tally: Tally) -> None:
    sentinel = tmp_path / "sentinel"
    data, unsafe = payloads(sentinel)[title]
    unsafe(data)
    assert sentinel.exists(), "it runs where it can"
    sentinel.rmdir()
    tally("payloads")
    cache = next(p.parent for p in Path("runs").rglob("cell.json") if '"seed": 1' in p.read_text())
    turn = TITLES.index(title)
    for name in list(TARGETS) if FULL else [list(TARGETS)[turn % len(TARGETS)]]:
        shutil.rmtree("unfinished")
        shutil.rmtree("runs")
        shutil.copytree(whole, ".", dirs_exist_ok=True)
        put(data, file := Path(name.replace("CACHE", str(cache))))
        wrong = []
        for words in TARGETS[name]:
            done = called(here, *words)
            tally("commands run code" if sentinel.exists() else "commands run none")
            assert not sentinel.exists(), f"{title} in {file}: {words}"
            if done.code not in (0, 2, 101) or "Traceback" in done.err + done.out:
                wrong.append(f"{words}: {done.code}: {done.err}")
        assert not wrong, f"{title} in {file}: {wrong}"


def test_no_reader_of_ours_runs_what_it_reads() -> None:
    folders = ("plasticity", "streams", "strategies")
    files = [p for folder in folders for p in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    found = [f"{p}: {m[0]}" for p in files for m in re.finditer(UNSAFE, p.read_text())]
    assert not found
