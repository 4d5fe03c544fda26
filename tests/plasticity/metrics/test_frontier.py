"""Numbers of the frontier, from tables written by hand."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from plasticity.metrics.frontier import excess, frontier_excess, points

STEPS = pl.DataFrame(
    {"step": range(8), "regime": [0] * 5 + [1] * 3, "shift": [False] * 5 + [True] + [False] * 2}
)
LIVE, FRESH = [0.0, 0.1, 0.5], [2.0, 0.4, 0.0]
CURVE = {
    f"{where}/b{share:g}": bits
    for where, each in (("live", LIVE), ("fresh", FRESH))
    for share, bits in zip((0.0, 0.5, 1.0), each, strict=True)
}


def tables(model: dict[tuple[int, int], float], fresh: dict[int, float]):
    rows = [
        {"step": s, "regime": r, "kl/model": v, "kl/continual": 0.01, "kl_amnesic/model": 9.0}
        for (s, r), v in model.items()
    ]
    rows += [
        {"step": s, "regime": -1, "kl/model": 9.0, "kl/continual": 0.6, "kl_amnesic/model": v}
        for s, v in fresh.items()
    ]
    at = [(2, 0), (4, 0), (8, 1)]
    front = [{"step": s, "regime": r, "fresh": -1} | CURVE for s, r in at]
    return pl.DataFrame(rows), pl.DataFrame(front)


def test_each_visit_counts_once_at_its_last_probe_within_it() -> None:
    """Visit 0 is steps 0 to 4, so that its last probe is after 4 updates; visit 1 ends with the stream."""
    model = {(2, 0): 5.0, (4, 0): 0.21, (8, 1): 0.06, (4, 1): 7.0, (2, 1): 7.0, (8, 0): 7.0}
    probes, front = tables(model, {2: 5.0, 4: 1.0, 8: 1.5})
    found = points(STEPS, probes, front)
    assert found is not None and found.steps == [4, 8]
    np.testing.assert_allclose(found.live, [0.20, 0.05])
    np.testing.assert_allclose(found.fresh, [1.0, 1.5])
    live, fresh, above = frontier_excess(STEPS, probes, front)
    assert live == pytest.approx(0.125) and fresh == pytest.approx(1.25)
    # the curve at .20 is .4 (1 - .1 / .4) = .3; at .05 it is (2 + .4) / 2 = 1.2
    assert above == pytest.approx(((1.0 - 0.3) + (1.5 - 1.2)) / 2)


def test_beyond_the_curve_it_is_held_against_its_ends() -> None:
    curve = np.array([[[0.0, 0.1, 0.5], [2.0, 0.4, 0.0]]])
    assert excess(np.array([3.0]), np.array([0.7]), curve) == pytest.approx(0.7)
    assert excess(np.array([-0.1]), np.array([2.5]), curve) == pytest.approx(0.5)


def test_a_lost_learner_and_a_world_without_frontier_have_none() -> None:
    probes, front = tables({(4, 0): np.nan, (8, 1): 0.1}, {4: 1.0, 8: 1.0})
    assert frontier_excess(STEPS, probes, front) == (None, None, None)
    probes, _ = tables({(4, 0): 0.1}, {4: 1.0})
    for nothing in (None, pl.DataFrame()):
        assert frontier_excess(STEPS, probes, nothing) == (None, None, None)


def test_tables_are_not_filtered_for_each_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step of 4,000 is a visit; to filter for each would take minutes."""
    filtered = list[str]()
    for name in ("filter", "join"):
        own = getattr(pl.DataFrame, name)

        def counted(self: Any, *args: Any, name: str = name, own: Any = own, **more: Any) -> Any:
            filtered.append(name)
            return own(self, *args, **more)

        monkeypatch.setattr(pl.DataFrame, name, counted)
    at = np.arange(1, 4001)
    steps = pl.DataFrame({"step": at - 1, "regime": at % 2, "shift": at > 1})
    rows = {"step": np.repeat(at, 3), "regime": np.tile([0, 1, -1], 4000)}
    bits = np.random.default_rng(0).random((3, 12_000))
    names = ("kl/model", "kl/continual", "kl_amnesic/model")
    probes = pl.DataFrame(rows | dict(zip(names, bits, strict=True)))
    front = pl.DataFrame({"step": at, "regime": at % 2, "fresh": np.full(4000, -1)} | CURVE)
    found = points(steps, probes, front)
    assert len(filtered) < 10
    assert found is not None and len(found.steps) == 4000
    own = np.arange(4000) * 3 + at % 2
    np.testing.assert_array_equal(found.live, bits[0, own] - bits[1, own])
    np.testing.assert_array_equal(found.fresh, bits[2, 2::3])
