"""Every kind of part comes by an entry point of a stranger's package; metrics into summaries and the glossary too."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from plasticity.config.plugins import load
from plasticity.metrics import glossary
from plasticity.metrics.summary import summarise
from plasticity.results import numbers

from ...calling import Call, refused, said
from ..metrics.test_summary import cell

PARTS = {
    "optimizers": """
        import torch
        from plasticity import Optimizer
        class Crawl(Optimizer):
            \"\"\"Gradient descent.\"\"\"
            def __call__(self, params, lr):
                return torch.optim.SGD(params, lr or self.lr)
        """,
    "detectors": """
        from plasticity import Detector
        class Gong(Detector):
            \"\"\"Alarm above one nat.\"\"\"
            def update(self, loss: float) -> bool:
                return loss > 1
        """,
    "loggers": """
        from plasticity import Logger
        class Scribe(Logger):
            \"\"\"A file of lines.\"\"\"
            def make(self, folder):
                from pytorch_lightning.loggers import CSVLogger
                return CSVLogger(folder, name="", version="")
        """,
    "streams": """
        from collections.abc import Sequence
        import numpy as np
        from plasticity import Stream, Tunnel
        class Monotone(Stream):
            \"\"\"One regime.\"\"\"
            def __init__(self, tunnels: Sequence[Tunnel], steps: int = 4, seed: int = 0):
                super().__init__(tunnels, 1, steps, 2, 6, probe=4, seed=seed)
            def schedule(self, step, rng):
                return np.zeros(self.batch, np.int64)
        """,
}
METRIC = """
    from plasticity import Entry, formula
    @formula(Entry({id!r}, "bits", "max_t KL(informed || model)"))
    def worst(bits, lost):
        {body}
    """
GIVES = "return None if lost is not None else float(bits.max())"
Install = Callable[[str, str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """A distribution, as pip leaves it behind, whose group is `plasticity.<group>`; all is forgotten afterwards."""
    before, site = set(sys.modules), tmp_path / "site"
    cached = (glossary.plugged, glossary.formulas, glossary.glossary, numbers.today)
    monkeypatch.syspath_prepend(site)

    def installed(name: str, group: str, source: str) -> None:
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[plasticity.{group}]\n{name} = {name}\n")
        (site / f"{name}.py").write_text(textwrap.dedent(source))
        for each in cached:
            each.cache_clear()

    yield installed
    for name in {name for name in sys.modules if name.startswith("part_")} - before:
        del sys.modules[name]
    monkeypatch.undo()
    for each in cached:
        each.cache_clear()


def test_every_kind_is_found_and_runs(install: Install, call: Call) -> None:
    for group, source in PARTS.items():
        install(f"part_{group}", group, source)
    install("part_metric", "metrics", METRIC.format(id="worst/part", body=GIVES))
    listed = said(call, "list")
    assert all(name in listed for name in ("Crawl", "Gong", "Scribe", "Monotone"))
    assert said(call, "explain", "metric", "worst/part") == (
        "worst/part [bits]: max_t KL(informed || model)\n"
    )
    over = "{type: Monotone, tunnels: [{type: Markov, symbols: 3}]}"
    words = (f"--stream={over}", "--optimizer={type: Crawl}", "--detector={type: Gong}")
    done = call("run", "good.yaml", *words, "--loggers=[{type: Scribe}]", "--run-dir=r", drawn=True)
    assert done.code == 0, done.err
    (first, *_) = Path("r").glob("cells/*/summary.json")
    assert '"worst/part"' in first.read_text()
    assert "worst/part" in (Path("r") / "report.html").read_text()
    assert [*Path("r").glob("cells/*/loggers/Scribe/metrics.csv")]


def test_a_metric_is_a_number_of_a_summary_by_its_entry(install: Install) -> None:
    steps, probes = cell(40, 4, 2, 10)
    assert "worst/part" not in summarise(steps, probes)
    install("part_metric", "metrics", METRIC.format(id="worst/part", body=GIVES))
    assert summarise(steps, probes)["worst/part"] == pl.Series(steps["kl/model"]).max()
    assert glossary.explain("worst/part").unit == "bits"
    assert "worst/part" in numbers.today()  # so that older summaries are derived anew


def test_a_metric_that_fails_is_undefined_and_stops_no_other(install: Install) -> None:
    install("part_metric", "metrics", METRIC.format(id="worst/part", body="return 1 / 0"))
    steps, probes = cell(40, 4, 2, 10)
    with pytest.warns(UserWarning, match="worst/part: undefined, ZeroDivisionError: division by"):
        found = summarise(steps, probes)
    assert found["worst/part"] is None and found["skill"] is not None


def test_a_metric_touches_no_number_but_its_own(install: Install) -> None:
    steps, probes = cell(40, 4, 2, 10)
    before = summarise(steps, probes)
    body = 'return {"skill": 9.0, "worst/part": 1.0}'
    install("part_metric", "metrics", METRIC.format(id="worst/part", body=body))
    found = summarise(steps, probes)
    assert found["skill"] == before["skill"] != 9.0


@pytest.mark.parametrize("taken", ["skill", "kl/model", "kl/<who>", "world/gravity"])
def test_a_metric_of_a_taken_id_is_left_out_and_named(
    taken: str, install: Install, call: Call
) -> None:
    before = len(glossary.glossary())
    install("part_metric", "metrics", METRIC.format(id=taken, body=GIVES))
    told = call("list").err
    why = "expected metrics with ids of their own, there is"
    assert told == f"plugin part_metric (part_metric) was skipped: {why} {taken!r} already\n"
    assert len(glossary.glossary()) == before


def test_a_group_that_is_none_is_named(install: Install) -> None:
    install("part_typo", "detector", "")
    (found,) = (each for each in load() if each.distribution == "part_typo")
    assert str(found) == (
        "part_typo: plasticity.detector part_typo was skipped: there is no such group of entry points. "
        "Did you mean 'plasticity.detectors'?"
    )
    assert "part_typo" not in sys.modules


def test_check_takes_every_kind(install: Install, call: Call) -> None:
    for group, source in PARTS.items():
        install(f"part_{group}", group, source)
    install("part_metric", "metrics", METRIC.format(id="worst/part", body=GIVES))
    tunnels = "--tunnels=[{type: Urn, alpha: [1, 1]}]"
    for subject, *words in (
        ("part_optimizers.Crawl", "--lr=0.01"),
        ("part_loggers.Scribe",),
        ("part_streams.Monotone", tunnels),
        ("part_metric.worst",),
    ):
        done = call("check", subject, *words)
        assert done.code == 0 and "passed" in done.out and "FAILED" not in done.out, done
    done = call("check", "part_detectors.Gong")
    assert done.code == 1 and done.out.count("FAILED") == 1 and "that is learning" in done.out
    missing = f"missing key 'tunnels': expected a list; give it as '{tunnels}'\n"
    assert refused(call, "check", "part_streams.Monotone").endswith(missing)  # which passed above
    made = refused(call, "check", "part_metric.worst", "--lr=1")
    assert made.endswith("expected no arguments for what is made already, got --lr=1\n")
