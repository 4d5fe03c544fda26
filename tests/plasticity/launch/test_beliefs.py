"""What a strategy takes to be live is recorded at every step, and drawn beside what is."""

from pathlib import Path

import numpy as np
import polars as pl

import plasticity
from plasticity.plots import beliefs
from plasticity.plots.belief_areas import columns, windows
from plasticity.plots.style import figure_of

from ...calling import Call

TWO = (
    "--stream={type: Recurring, tunnels: [{type: Markov, symbols: 3, concentration: 0.2}], regimes: 2, period: 16,"
    " steps: 64, batch: 8, time: 12}"
)
POOL = "{type: LoRAPool, slots: 3, rank: 1}"
MIXTURE = "{type: EvidenceMixture, experts: 3, lr: 0.01}"


def test_beliefs_are_recorded_and_drawn(call: Call) -> None:
    strategies = f"[{{type: Finetune}}, {POOL}, {{type: Chain, parts: [{POOL}]}}, {MIXTURE}]"
    made = call(
        "run",
        "good.yaml",
        "--run-dir",
        "run",
        TWO,
        "--optimizer={type: AdamW, lr: 0.05}",
        f"--strategies={strategies}",
        drawn=True,
    )
    assert made.code == 0, made.err
    steps = plasticity.load("run").steps
    assert "belief/3" in steps.columns and "belief/4" not in steps.columns
    tables = {str(label): rows for (label,), rows in steps.group_by("label", maintain_order=True)}
    plain, pool, chain, mixture = tables.values()
    names = columns(steps.columns)
    assert plain.select(names).null_count().row(0) == (64,) * 4
    assert pool.select(names).equals(chain.select(names))
    for table in (pool, mixture):
        believed = table.select(names).to_numpy()
        np.testing.assert_allclose(believed.sum(1), 1, atol=1e-6)
    live = pool.select(names).to_numpy().argmax(1)
    assert live.min() > 0 and len({*live.tolist()}) == 2, "one adapter for each regime"
    halves = mixture.filter(pl.col("step") % 16 > 8)
    held = halves.select(names).to_numpy().argmax(1)
    pairs = {*zip(halves["regime"].to_list(), held.tolist(), strict=True)}
    assert pairs == {(0, 1), (1, 2)}, "an expert for each regime, and it comes back"
    page = Path("run/report.html").read_text()
    assert page.count("over 4 visits") == 3 and "Which regime it takes to be live" in page


def test_areas_are_as_high_as_what_is_believed() -> None:
    believed = np.array([[1, 0, 0], [0.3, 0.7, 0.0], [0.25, 0.5, 0.25]])
    table = pl.DataFrame(
        {"step": [0, 1, 2], "regime": [0, 0, 1], "shift": [False, False, True]}
        | {f"belief/{i}": believed[:, i] for i in range(3)}
    )
    ax = beliefs(table, "Mine, seed 0")
    legend = ax.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["pretrained", "expert 1", "expert 2"]
    areas = [path.vertices for c in ax.collections for path in c.get_paths()]
    tops = [max(area[area[:, 0] == 3, 1]) for area in map(np.asarray, areas)]
    assert tops[:3] == [0.25, 0.75, 1.0]
    assert ax.get_title() == "Mine, seed 0" and "2 visits" in str(ax.get_label())
    figure_of(ax).draw_without_rendering()


def test_of_a_long_stream_means_over_windows_are_drawn() -> None:
    """Else a page of 100,000 steps has as many points for each expert, twice, and as many lines of data."""
    n = 10_001
    first = np.random.default_rng(0).random(n)
    step = np.arange(n)
    table = pl.DataFrame({"step": step, "regime": step // 5000, "shift": step % 5000 == 0})
    table = table.with_columns(pl.Series("belief/0", first), pl.Series("belief/1", 1 - first))
    drawn = windows(table)
    width = 26  # the least that makes 400 windows or fewer
    assert len(drawn) == -(-n // width) and drawn["step"].to_list()[:3] == [0, width, 2 * width]
    np.testing.assert_allclose(drawn["belief/0"][0], first[:width].mean())
    np.testing.assert_allclose(drawn["belief/0"] + drawn["belief/1"], 1)
    few = table.head(5)
    assert windows(few).select(few.columns).equals(few)
    ax = beliefs(table)
    assert ax.get_xlim() == (0, n) and "3 visits" in str(ax.get_label())
    areas = [np.asarray(path.vertices) for c in ax.collections for path in c.get_paths()]
    assert max(map(len, areas)) < 2000
