"""`plasticity inside`: a page of networks and of a stream, the numbers beside it, and refusals in a line."""

import re
from pathlib import Path

import polars as pl
import pytest

from plasticity.diagnostics.geometry import glossary

from ...calling import Call, refused
from ..integrations.tiny_models import write

WORDS = (
    "--pretrain.steps=6",
    "--pretrain.checkpoints=[0,2,4]",
    "--stream.time=8",
    "--condition.inside=1",
    "--stream.probe=16",
)


def test_a_run_is_shown_from_pretraining_to_the_end_of_the_stream(call: Call) -> None:
    done = call("run", "good.yaml", *WORDS)
    assert done.code == 0, done
    (run,) = Path("runs/tiny").glob("2*")
    done = call("inside", str(run), "--episodes", "24", "--to", "page.html")
    assert done.code == 0, done
    html = Path("page.html").read_text()
    for words in ("Over the stream", "Along pretraining", "routing/tv", "2 Feedforward", "head 1"):
        assert words in html
    table = pl.read_csv("page.csv")
    entries = {entry.id for entry in glossary()}
    online = {"routing/tv", "values/moved"}  # over the stream and along pretraining only
    assert {*table["id"]} == entries - online
    assert table.columns[1:] == ["id", "site", "what", "value", "initial", "chance", "control", "baseline"]  # fmt: skip
    value = table.filter(pl.col("id") == "precision/settled")["value"].item()
    assert value in (0, 2, 4, 6)


def test_an_experiment_is_shown_without_a_stream(call: Call) -> None:
    done = call(
        "inside", "good.yaml", "--episodes", "24", "--network.type=LSTM", "--network.heads=null"
    )
    assert done.code == 2, "heads are no argument of an LSTM"
    done = call("inside", "good.yaml", "--episodes", "24", "--to", "page.html")
    assert done.code == 0 and "Over the stream" not in Path("page.html").read_text()


def test_a_language_model_is_shown_and_what_is_not_defined_is_said(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plasticity.cli.common.out.width", 75)
    model = write(tmp_path / "tiny", "mamba")
    network = f"network: {{type: HuggingFace, model: {model}, tokens: [a, b, c, d, e, f]}}"
    text = Path("good.yaml").read_text()
    Path("lm.yaml").write_text(re.sub("^network: .*$", network, text, flags=re.MULTILINE))
    words = ["--pretrain.steps=0", "--episodes", "48", "--changed", "2", "--to", "p.html"]
    done = call("inside", "lm.yaml", *words)
    assert done.code == 0, done
    said = " ".join(done.out.split())
    assert "head/delta" in said and "not defined: no layer of this network attends." in said
    assert "not defined: no layer of this network attends" in Path("p.html").read_text()
    table = pl.read_csv("p.csv")
    assert "1 MambaMixer state" in table["site"].to_list(), "what is remembered is read out"
    cuts = table.filter(pl.col("id") == "cut")["site"].unique()
    assert sorted(cuts) == ["0 embedding", "3 MambaBlock"]
    assert "…" not in done.out and "initial" in done.out and "base" not in done.out


def test_what_cannot_be_shown_is_refused_in_a_line(call: Call) -> None:
    assert "nothing.yaml" in refused(call, "inside", "nothing.yaml")
    assert "expected the folder of a run" in refused(call, "inside", "runs/none")


def test_every_number_is_explained_to_whoever_asks(call: Call) -> None:
    done = call("explain", "metric", "keys/cosine")
    assert done.code == 0 and "2512.22471" in done.out
