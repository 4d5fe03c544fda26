"""What it takes until something happens: seconds, and as a ratio to an interpreter that does nothing; `make bench`.

Whole processes, taken in turns, so that what else a machine does falls on all alike.
"""

import statistics
import subprocess
import sys
import time

from pytest_benchmark.fixture import BenchmarkFixture

BARE = "python -c pass"
COMMANDS = {
    BARE: ["-c", "pass"],
    "import plasticity": ["-c", "import plasticity"],
    "import plasticity, all of it": [
        "-c",
        "import plasticity; [getattr(plasticity, name) for name in dir(plasticity)]",
    ],
    "plasticity --help": ["-m", "plasticity", "--help"],
    "plasticity list": ["-m", "plasticity", "list"],
}


def test_startup(benchmark: BenchmarkFixture) -> None:
    """Prints seconds and ratios; asserts nothing about time, but that every command works."""
    rounds = 5 if benchmark.enabled else 1
    kept = [*COMMANDS] if benchmark.enabled else [BARE, "import plasticity"]
    times: dict[str, list[float]] = {name: [] for name in kept}

    def once() -> None:
        for name in kept:
            began = time.perf_counter()
            done = subprocess.run([sys.executable, *COMMANDS[name]], capture_output=True, text=True)
            times[name].append(time.perf_counter() - began)
            assert done.returncode == 0, done.stderr

    benchmark.pedantic(once, rounds=rounds, iterations=1)
    bare = statistics.median(times[BARE])
    for name, values in times.items():
        median = statistics.median(values)
        benchmark.extra_info[name] = median / bare
        print(f"\n{name:<30} {median:7.3f} s {median / bare:7.1f} x {BARE}", end="")
    print()
    assert all(len(values) == rounds for values in times.values())
