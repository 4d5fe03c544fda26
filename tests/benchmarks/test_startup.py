"""What it takes until something happens: processor seconds of commands, beside those of torch alone; `make bench`.

Whole processes, user and system time, taken in turns, so that what else a machine does falls on all alike.
"""

import resource
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from ..calling import GOOD

BARE, TORCH = "python -c pass", "import torch"
WITH_TORCH = {
    "plasticity list": ["list"],
    "plasticity explain EWC": ["explain", "EWC"],
    "plasticity validate FILE": ["validate", "good.yaml"],
    "plasticity init": ["init", "new.yaml"],
}
"""What needs torch's classes: 0.9 s more than torch alone, on a machine where that takes 3.1."""
WITHOUT = {
    "plasticity --help": ["--help"],
    "plasticity report RUN": ["report", "a"],
    "plasticity compare A B": ["compare", "a", "b"],
}
COMMANDS = {
    BARE: ["-c", "pass"],
    "import plasticity": ["-c", "import plasticity"],
    TORCH: ["-c", "import torch"],
    "plasticity.load(RUN)": ["-c", "import plasticity; print(plasticity.load('a').summary)"],
    **{name: ["-m", "plasticity", *words] for name, words in (WITHOUT | WITH_TORCH).items()},
}


def seconds(words: list[str]) -> float:
    """Processor seconds of one interpreter, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_startup(
    benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prints processor seconds, and how many more than torch's; asserts nothing of them, but that all works."""
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(GOOD)
    rounds, kept = 1, [BARE, "import plasticity"]
    if benchmark.enabled:
        rounds, kept = 5, [*COMMANDS]
        for name in "ab":
            seconds(["-m", "plasticity", "run", "good.yaml", "--run-dir", name])
    times: dict[str, list[float]] = {name: [] for name in kept}

    def once() -> None:
        Path("new.yaml").unlink(missing_ok=True)
        for name in kept:
            times[name].append(seconds(COMMANDS[name]))

    benchmark.pedantic(once, rounds=rounds, iterations=1)
    medians = {name: statistics.median(values) for name, values in times.items()}
    torch = medians.get(TORCH)
    for name, median in medians.items():
        benchmark.extra_info[name] = median
        more = "" if torch is None else f"{median - torch:+7.2f} s to torch"
        print(f"\n{name:<26} {median:6.2f} s of a processor {more}", end="")
    print()
    assert all(len(values) == rounds for values in times.values())
