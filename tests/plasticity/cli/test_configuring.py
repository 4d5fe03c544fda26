"""init, schema, validate, and what is put over a file: as a new user types them."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plasticity.cli.common import contracts, located
from plasticity.cli.explain import objects
from plasticity.config.recipe import parameters, plain
from plasticity.config.yaml_source import read
from plasticity.launch.folder import resolved

from ...calling import GOOD, Call, over, refused, said
from .ours import PARTS

pytestmark = pytest.mark.usefixtures("nobody_elses")


def test_init_writes_what_is_fine_and_never_writes_over_it(call: Call) -> None:
    assert "plasticity run experiment.yaml" in said(call, "init")
    text = Path("experiment.yaml").read_text()
    first, rest = text.split("\n", 1)
    name = first.removeprefix("# yaml-language-server: $schema=")
    assert name != first and json.loads(Path(name).read_text())["additionalProperties"] is False
    assert said(call, "validate", "experiment.yaml") == (
        "experiment.yaml: fine, 4 cells (4 strategies), 600 steps each\n"
    )
    told = refused(call, "init")
    assert told == "experiment.yaml: expected a new file, this one is there already\n"
    assert said(call, "init", "sub/mine.yaml") and Path("sub/mine.yaml").read_text() == text
    assert Path("sub", name).exists()
    for kind, key in {"sweep": "grid", "suite": "tuning"}.items():
        file = Path("sub", f"plasticity.{kind}.schema.json")
        assert key in json.loads(file.read_text())["properties"]
    once = {file.name: file.read_bytes() for file in Path("sub").glob("*.json")}
    assert said(call, "schema", "--all", "again").count("schema: ") == len(once) == 3
    assert {file.name: file.read_bytes() for file in Path("again").iterdir()} == once
    assert "expected a file that can be written" in refused(call, "init", "good.yaml/mine.yaml")
    assert rest


def test_what_the_starter_leaves_out_is_as_fine_as_what_it_holds(call: Call) -> None:
    """Each commented key in place of the one above it."""
    said(call, "init")
    lines = Path("experiment.yaml").read_text().splitlines()
    spare = [i for i, line in enumerate(lines) if re.match(r"# \w+: [\[{]", line)]
    assert len(spare) == 2
    for i in spare:
        key = lines[i][2:].partition(":")[0]
        replaced = [line for line in lines if not line.startswith(key.removesuffix("s") + ":")]
        Path("x.yaml").write_text("\n".join([*replaced, lines[i][2:]]))
        assert "fine" in said(call, "validate", "x.yaml")


def test_schema_holds_every_class_and_every_argument(call: Call) -> None:
    schema = json.loads(said(call, "schema"))
    assert said(call, "schema", "--to", "a/s.json") == "schema: a/s.json\n"
    assert json.loads(Path("a/s.json").read_text()) == schema
    for kind, cls in PARTS:
        found: Any = schema
        if kind in objects(contracts()):
            found = schema["$defs"][cls.__name__]
        elif kind != "experiment":
            choices = schema["$defs"][kind.capitalize()]["anyOf"]
            (found,) = [c for c in choices if c["properties"]["type"]["const"] == cls.__name__]
        assert found["properties"].keys() - {"type"} == parameters(cls).keys()
    suite = json.loads(said(call, "schema", "--suite"))
    assert "tuning" in suite["required"] and "tuning" not in schema["properties"]


def test_the_schema_takes_what_the_engine_takes_and_refuses_what_it_refuses(call: Call) -> None:
    """By another library, as an editor would."""
    jsonschema = pytest.importorskip("jsonschema")
    checked = jsonschema.Draft202012Validator(json.loads(said(call, "schema")))
    found = sorted((Path(__file__).parents[3] / "experiments").rglob("*.yaml"))
    files = [file for file in found if file.parent.name != "sweeps"]
    for file in [*files, Path("good.yaml")]:
        assert not list(checked.iter_errors(read(file).value)), file
    for old, new in {
        "period: 5": "perid: 5",
        "steps: 10": "steps: 0",
        "type: Frozen": "type: Frozn",
        "width: 8": "width: wide",
        "mode: disabled": "mode: of",
    }.items():
        Path("x.yaml").write_text(GOOD.replace(old, new))
        assert list(checked.iter_errors(read("x.yaml").value)), new


def test_every_shipped_yaml_names_its_schema_and_keeps_to_it(call: Call) -> None:
    """In its first line, as a file of the repository's root, which `make setup` writes there.

    A suite of the package names none: once installed, there would be no such file.
    """
    root = Path(__file__).parents[3]
    jsonschema = pytest.importorskip("jsonschema")
    said(call, "schema", "--all", ".")
    suites = (root / "plasticity" / "bench" / "suites").rglob("*.yaml")
    files = [*(root / "experiments").rglob("*.yaml"), *suites]
    assert len(files) > 20
    for file in files:
        if file.name == "wandb.yaml":  # a file of wandb's
            continue
        first, _, rest = file.read_text().partition("\n")
        if "suites" in file.parts:
            assert "yaml-language-server" not in first + rest, file
            first = "# yaml-language-server: $schema=" + os.path.relpath(
                root / "plasticity.suite.schema.json", file.parent
            )
        name = first.removeprefix("# yaml-language-server: $schema=")
        place = (file.parent / name).resolve()
        assert place.parent == root and rest, file
        checked = jsonschema.Draft202012Validator(json.loads(Path(place.name).read_text()))
        assert not list(checked.iter_errors(read(file).value)), file
        assert ("experiment" in read(file).value) == ("sweep" in name), file


def test_validate_says_how_much_there_is_to_run(call: Call) -> None:
    many = ["--seeds=[0, 1, 2]", "--network=null", "--networks=[{type: LSTM}, {type: MLP}]"]
    assert said(call, "validate", "good.yaml", *many) == (
        "good.yaml: fine, 12 cells (2 networks x 2 strategies x 3 seeds), 10 steps each\n"
    )
    one = ["--strategies=[{type: Frozen}]", "--stream.steps=null"]
    assert said(call, "validate", "good.yaml", *one) == "good.yaml: fine, 1 cell, without end\n"


def test_validate_goes_through_every_file(call: Call) -> None:
    Path("bad.yaml").write_text(GOOD.replace("period: 5", "period: 0").replace("name:", "nam:"))
    before = sorted(Path().iterdir())
    done = call("validate", "bad.yaml", "good.yaml", "god.yaml")
    assert done.code == 2 and done.out.startswith("good.yaml: fine")
    starts = (
        "bad.yaml:1:1: nam: ",
        "bad.yaml:6:11: stream.period: ",
        "bad.yaml: 2 to mend",
        "god.yaml: no such",
    )
    lines = done.err.splitlines()
    assert len(lines) == 5 and all(map(str.startswith, lines, starts))
    assert "Did you mean 'good.yaml'?" in lines[3]
    assert sorted(Path().iterdir()) == before
    assert "expected the file of an experiment, got none" in refused(call, "validate", "--seed=3")
    assert "Missing argument" in refused(call, "validate")


def test_files_are_put_over_one_another(call: Call) -> None:
    """A mapping key by key, a list as a whole, another type as a whole; and overrides beat all."""
    first = over(
        "network: {width: 16}\nstrategies: [{type: Frozen}]\npretrain: {lr: 1e-3}\nseed: 7\n"
    )
    Path("second.yaml").write_text("seed: 8\noptimizer: {type: SGD}\nnetwork: {type: LSTM}\n")
    made, _ = located(Path("good.yaml"), [], first)
    assert made.network is not None and made.network.args == {"width": 16, "depth": 1, "heads": 2}
    assert [each.cls.__name__ for each in made.strategies] == ["Frozen"]
    assert (made.pretrain.steps, made.pretrain.lr, made.seed) == (0, 1e-3, 7)
    made, _ = located(Path("good.yaml"), ["--seed=9"], [*first, Path("second.yaml")])
    assert made.network is not None and made.network.args == {}
    assert (made.network.cls.__name__, made.seed) == ("LSTM", 9)


def test_a_problem_names_the_file_that_its_line_is_in(call: Call) -> None:
    over("\nnetwork: {heads: 3}\nstream: {perid: 3}\nstrategies: [{type: EWC, decay: 2}]\n")
    Path("x.yaml").write_text(GOOD.replace("period: 5", "period: 0"))
    words = ["x.yaml", "--config", "over.yaml"]
    lines = refused(call, "validate", *words).splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["over.yaml:3:10", "stream.perid"],
        ["over.yaml:4:33", "strategies.0.decay"],
        ["x.yaml:6:11", "stream.period"],
    ]
    assert lines == refused(call, "run", *words).splitlines()
    over("network: {heads: 3}\n")
    assert refused(call, "validate", "good.yaml", "--config", "over.yaml").startswith(
        "good.yaml:11:10: network: width 8 does not divide into 3 heads"
    )
    Path("x.yaml").write_text("a: [")
    lines = refused(call, "validate", "x.yaml", "--config", "nothing.yaml").splitlines()
    assert [line.split(": ")[0] for line in lines] == ["x.yaml:1:5", "nothing.yaml"]


def test_print_config_can_be_read_back_and_runs_nothing(call: Call) -> None:
    more = over("strategies: [{type: EWC, strength: 3}]\n")
    before = sorted(Path().iterdir())
    text = said(call, "run", "good.yaml", "--config", "over.yaml", "--seed=4", "--print-config")
    assert sorted(Path().iterdir()) == before
    Path("again.yaml").write_text(text)
    again = said(call, "run", "again.yaml", "--print-config")
    assert yaml.safe_load(again) == yaml.safe_load(text)
    made, _ = located(Path("again.yaml"), [], [])
    assert made.seed == 4
    assert plain(made) == plain(located(Path("good.yaml"), ["--seed=4"], more)[0])
    assert resolved(made) == again


def test_a_cell_keeps_its_label_when_its_run_is_read_back(call: Call) -> None:
    """A run's own YAML tells every default; what was called by its arguments before must be so again."""
    words = "[{type: EWC}, {type: EWC, strength: 3, decay: 0.5}, {type: Finetune}]"
    text = said(call, "run", "good.yaml", f"--strategies={words}", "--print-config")
    Path("again.yaml").write_text(text)
    for made in (
        located(Path("good.yaml"), [f"--strategies={words}"], [])[0],
        located(Path("again.yaml"), [], [])[0],
    ):
        assert [*made.contenders()] == [
            "EWC(strength=100.0,decay=1.0)",
            "EWC(strength=3.0,decay=0.5)",
            "Finetune",
        ]


def test_a_second_file_is_told_where_it_belongs(call: Call) -> None:
    told = refused(call, "run", "good.yaml", "more.yaml")
    assert told.endswith("To put its keys over those of good.yaml: --config more.yaml\n")
    told = refused(call, "run", "good.yaml", "--print-confg")
    assert told == (
        "command line: unknown option '--print-confg'. Did you mean '--print-config'?\n"
    )
