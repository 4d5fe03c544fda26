"""The matrix of prompts: what is listed, what is measured, and that a cell's learner comes back as it was."""

import json
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from scipy.spatial.distance import pdist, squareform

from plasticity.cli.common import parsed
from plasticity.launch.restore import from_checkpoint
from plasticity.networks import MLP
from plasticity.results.store import Run
from plasticity.studies import predictive_matrix as matrix
from streams import Bijection, Markov, Recall

from ...calling import Call

TUNNEL = Markov(symbols=3, concentration=0.5)


def listed(tunnel: Markov = TUNNEL, time: int = 3, most: int = 2000) -> matrix.Prompts:
    return matrix.prompts(tunnel, time, most, np.random.default_rng(0))


def test_every_prompt_is_there_with_its_row() -> None:
    """All walks of up to three symbols, and the row as a ratio of counts."""
    asked = listed()
    assert asked.words == [w for n in (1, 2, 3) for w in product(range(3), repeat=n)]
    assert asked.coverage == {n: pytest.approx(1, abs=1e-12) for n in (1, 2, 3)}
    for words, row in zip(asked.words, matrix.by_rule(TUNNEL.observer(), asked), strict=True):
        n = np.full((3, 3), 0.5)
        for step in pairwise(words):
            n[step] += 1
        np.testing.assert_allclose(row, n[words[-1]] / n[words[-1]].sum(), atol=1e-12)


def test_answers_that_are_not_shown_are_one_prompt() -> None:
    tunnel = Recall(keys=2, values=2, pairs=1, queries=1, noise=0.5)
    asked = matrix.prompts(tunnel, 6, 2000, np.random.default_rng(0))
    assert len(asked.lengths) == 4, "a key and what is shown for it"
    np.testing.assert_allclose(asked.chance, 0.25)


def test_as_many_as_are_allowed_and_no_longer() -> None:
    few = listed(time=12, most=100)
    assert 100 <= len(few.lengths) < 112
    assert {words[:-1] for words in few.words if len(words) > 1} <= set(few.words)
    short = matrix.prompts(TUNNEL, 12, 500, np.random.default_rng(0), longest=2)
    assert len(short.lengths) == 12
    with pytest.raises(ValueError, match="length: Recall.* asks nothing of the first 3 symbols"):
        matrix.prompts(Recall(2, 2, 1), 6, 9, np.random.default_rng(0), longest=3)


def test_pairs() -> None:
    asked = matrix.prompts(Bijection(3, 2), 3, 2000, np.random.default_rng(0))
    words = asked.words
    assert {len(words[b]) - len(words[a]) for a, b in asked.steps()} == {2}, "key, value, key"
    assert all(words[b][:1] == words[a] for a, b in asked.steps())
    assert all((words[a],) == ((words[b][-1],),) for a, b in asked.evidence())
    assert len(asked.evidence()) == len(words) - 3


def test_a_network_answers_as_it_would_alone() -> None:
    torch.manual_seed(0)
    network, asked = MLP(3, 3, width=8, depth=1), listed()
    rows = matrix.by_predictor(lambda batch: network(batch.inputs), asked)
    for words, row in zip(asked.words, rows, strict=True):
        alone = network(torch.tensor([words]))[0, -1].detach().double().softmax(-1)
        np.testing.assert_allclose(row, alone, atol=1e-6)


def test_findings_by_hand() -> None:
    """A network that sees the last symbol only is not moved by evidence, and is of rank 3 at most."""
    torch.manual_seed(0)
    asked = listed(time=2)
    exact = matrix.by_rule(TUNNEL.observer(), asked)
    network = MLP(3, 3, width=8, depth=1)
    blind = matrix.by_predictor(lambda batch: network(batch.inputs), asked)
    bare = exact[[words[-1] for words in asked.words]]  # prompts 0, 1, 2 are single symbols
    half = (exact + bare) / 2
    found = matrix.study(asked, exact, {"exact": exact, "blind": blind, "half": half})
    whole = found["exact"]
    assert (whole.kl, whole.step.slope, whole.evidence.explained, whole.neighbours) == (0, 1, 1, 1)
    assert found["blind"].evidence.slope == found["blind"].evidence.explained == 0
    assert found["half"].evidence.slope == pytest.approx(0.5)
    assert found["half"].evidence.explained == pytest.approx(0.75)
    assert found["half"].evidence.distance == pytest.approx(whole.evidence.distance / 2)
    wanted = np.mean([sum(p * np.log2(p / q)) for p, q in zip(exact, blind, strict=True)])
    assert found["blind"].kl == pytest.approx(wanted)


def test_ranks() -> None:
    """An identity has them all, a matrix of one row repeated has one; compression by the best of a search."""
    assert matrix.effective_rank(np.eye(4)) == pytest.approx(4)
    assert matrix.effective_rank(np.tile([0.2, 0.8], (5, 1))) == pytest.approx(1)
    rng = np.random.default_rng(0)
    rows = rng.dirichlet([1.0] * 4, size=9)
    frobenius, bits = matrix.compression(rows)
    values, vectors = np.linalg.eigh(rows.T @ rows)
    for rank in range(1, 5):
        onto = vectors[:, 4 - rank :]
        left = np.linalg.norm(rows - rows @ onto @ onto.T) / np.linalg.norm(rows)
        assert frobenius[rank - 1] == pytest.approx(left, abs=1e-7)
    assert values.min() > 0 and bits[-1] < 1e-12 < bits[0]
    mixed = rng.dirichlet([1.0] * 2, size=50) @ rows[:2]
    assert matrix.compression(mixed)[1][1] < 1e-12, "two topics are two directions"


def test_neighbours_by_another_library() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.dirichlet([1.0] * 3, size=40) for _ in range(2))
    apart = [squareform(pdist(np.sqrt(m))) + np.diag([9.0] * 40) for m in (one, other)]
    near = [np.argsort(a, axis=1)[:, :5] for a in apart]
    np.testing.assert_array_equal(matrix.nearest(one), near[0])
    alike = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(*near, strict=True)])
    one_symbol, unknown = np.zeros((40, 1), int), np.full(40, np.nan)
    asked = matrix.Prompts(one_symbol, one_symbol, np.ones(40, int), unknown)
    assert matrix.study(asked, one, {"": other})[""].neighbours == pytest.approx(alike)


def test_what_hardly_moves_has_no_slope() -> None:
    rows = np.tile([0.25, 0.75], (3, 1))
    pairs = np.array([[0, 1], [0, 2]])
    still = matrix.moves(rows, rows, pairs)
    assert np.isnan([still.slope, still.explained]).all() and still.distance == 0
    assert np.isnan(matrix.moves(rows, rows, pairs[:0]).distance)


def test_command(call: Call) -> None:
    done = call("matrix", "good.yaml", "--to=m.html", "--length=3", "--names=to be")
    assert done.code == 0, done.err
    assert "39 prompts of 1 to 3 symbols: all there are" in done.out
    found = json.loads(Path("m.json").read_text())[repr(TUNNEL)]
    assert found["exact"]["kl"] == 0 and found["Transformer"]["kl"] > 0
    table = pl.read_csv("m.csv")
    assert table.height == 39 and {"exact/to", "Transformer/2"} <= set(table.columns)
    np.testing.assert_allclose(table.select(pl.sum_horizontal("^exact/.*$")).to_numpy(), 1)
    page = Path("m.html").read_text()
    assert "be to" in page and "<svg" in page


def test_command_refuses(call: Call) -> None:
    for words, why in (
        (["no.yaml"], "no.yaml"),
        (["."], "the folder of a cell with its checkpoint"),
        (["good.yaml", "--weights=good.yaml"], "expected a state dict of the first network"),
    ):
        done = call("matrix", *words)
        assert done.code == 2 and why in done.err and "Traceback" not in done.err


@pytest.mark.parametrize("told", ["--announce_shifts=true", "--detector={type: PageHinkley}"])
def test_the_learner_of_a_cell_is_as_the_run_left_it(told: str, call: Call) -> None:
    """Probed anew, it scores what the run stored of its last probes, to the last digits; a cell cut off has it too."""
    lora = "[{type: LoRA, rank: 1, lr: 0.01}, {type: Replay}]"
    words = ["--run-dir=r", f"--strategies={lora}", "--keep=true", told]
    assert call("run", "good.yaml", *words).code == 0
    run = Run(Path("r"))
    experiment = parsed(run.path / "experiment.yaml", [])
    for cell in run.cells():
        restored = from_checkpoint(experiment, cell, experiment.contenders()[cell.label])
        assert (restored.step, restored.regime) == (10, 1) and restored.known is not None
        stream, probes = experiment.stream.build(seed=0), cell.probes.read()
        for regime, (batch, key) in zip(stream.probed, stream.keyed_probes(), strict=True):
            (group,) = stream.probe_groups(regime)
            truth = group.tunnel.informed(group.latents)
            p = truth.predict(batch.inputs.numpy(), key.drawn.numpy())
            q = restored.learner.network(batch.inputs).detach().double().softmax(-1).numpy()
            stored = probes.filter((pl.col("regime") == regime) & (pl.col("step") == 10))[
                "kl/model"
            ]
            assert (p * np.log2(p / q)).sum(-1).mean() == pytest.approx(stored[0], abs=1e-9)
        done = call("matrix", str(cell.path), "--to=m.html", "--length=3")
        assert done.code == 0 and f"{cell.label}, step 10" in done.out
        assert "exact, continual, B" in done.out
