"""What is wrong with a file or a command is said in one line, and nothing is left behind."""

from pathlib import Path

import pytest

from ...calling import GOOD, Call, Words, refused

FILES: dict[str, tuple[str | bytes, str]] = {
    "misspelt key": (
        GOOD.replace("regimes:", "regims:"),
        "x.yaml:5:3: stream.regims: unknown key 'regims'. Did you mean 'regimes'? Recurring takes: "
        "tunnels, regimes, period, steps, batch, time, hold, probe",
    ),
    "misspelt key at the top": (
        GOOD.replace("stretch:", "strech:"),
        "x.yaml:14:1: strech: unknown key 'strech'. Did you mean 'stretch'? Experiment takes: stream,",
    ),
    "wrong type": (
        GOOD.replace("period: 5", "period: five"),
        "x.yaml:6:11: stream.period: expected an integer of 1 or more, got 'five'",
    ),
    "unknown strategy": (
        GOOD.replace("{type: Finetune}", "{type: Finetun}"),
        "x.yaml:13:37: strategies.1.type: unknown strategy 'Finetun'. Did you mean 'Finetune'? "
        "Known: ",
    ),
    "unknown tunnel": (
        GOOD.replace("Markov", "Marcov"),
        "x.yaml:4:20: stream.tunnels.0.type: unknown tunnel 'Marcov'. Did you mean 'Markov'? Known: ",
    ),
    "bare name of a network": (
        GOOD.replace("{type: Transformer, width: 8, depth: 1, heads: 2}", "Transformer"),
        "x.yaml:11:10: network: expected a mapping with a 'type' key, got 'Transformer'. "
        "Did you mean {type: Transformer}? Known: ",
    ),
    "empty": ("", "x.yaml: the file is empty: expected a mapping"),
    "comments only": ("# nothing\n", "x.yaml: the file is empty: expected a mapping"),
    "a list": (
        "- a\n- b\n",
        "x.yaml:1:1: expected a mapping (key: value) at the top level, got a list",
    ),
    "a word": (
        "hello",
        "x.yaml:1:1: expected a mapping (key: value) at the top level, got 'hello'",
    ),
    "a list for a mapping": (
        GOOD.replace("pretrain: {steps: 0}", "pretrain: [steps]"),
        "x.yaml:12:11: pretrain: expected a mapping, got a list",
    ),
    "a list for a network": (
        GOOD.replace("{type: Transformer, width: 8, depth: 1, heads: 2}", "[a]"),
        "x.yaml:11:10: network: expected a mapping with a 'type' key, got a list. Known: ",
    ),
    "a mapping for a list": (
        GOOD.replace("[{type: Frozen}, {type: Finetune}]", "{type: Frozen}"),
        "x.yaml:13:13: strategies: expected a list, got a mapping",
    ),
    "binary": (bytes(range(256)), "x.yaml:2:118: not a text file: it is not UTF-8 here"),
    "binary that is UTF-8": (
        b"\0\1\2",
        "x.yaml:1:1: not valid YAML: character 0x00 is not allowed",
    ),
    "Latin-1": (
        "name: caf\xe9\n".encode("latin-1"),
        "x.yaml:1:10: not a text file: it is not UTF-8 here",
    ),
    "the same key twice": (
        GOOD.replace("  steps: 10\n", "  steps: 10\n  steps: 11\n"),
        "x.yaml:8:3: stream.steps: key 'steps' is there already in line 7",
    ),
    "a bracket left open": (
        GOOD.replace("name: tiny", "name: [tiny"),
        "x.yaml:1:7: not valid YAML: a list that is not closed: expected ',' or ']'",
    ),
    "tabs": (
        "stream:\n\ttype: Recurring\n",
        "x.yaml:2:1: not valid YAML: a tab cannot stand here: indent by spaces",
    ),
    "different alphabets": (
        GOOD.replace("0.5}]", "0.5}, {type: Markov, symbols: 4}]"),
        "x.yaml:3:3: stream: tunnels whose alphabets differ: tunnels[1] (Markov) has vocab 4, "
        "tunnels[0] (Markov) has 3",
    ),
    "no tunnel": (
        GOOD.replace("[{type: Markov, symbols: 3, concentration: 0.5}]", "[]"),
        "x.yaml:4:12: stream.tunnels: expected at least one tunnel, got an empty list",
    ),
    "negative steps": (
        GOOD.replace("steps: 10", "steps: -10"),
        "x.yaml:7:10: stream.steps: expected an integer of 1 or more or null, got -10",
    ),
    "a time that the tunnel cannot make": (
        GOOD.replace("Markov, symbols: 3, concentration: 0.5", "Binding"),
        "x.yaml:9:9: stream.time: Binding with 19 pairs makes sequences of 37 symbols",
    ),
    "width not divisible by heads": (
        GOOD.replace("heads: 2", "heads: 3"),
        "x.yaml:11:10: network: width 8 does not divide into 3 heads",
    ),
    "more memory than there is": (
        GOOD.replace("symbols: 3", "symbols: 100000000"),
        "x.yaml:3:3: stream: Unable to allocate",
    ),
    "no network": (
        GOOD.replace("network:", "hardwire:"),
        "x.yaml:11:1: hardwire: unknown key 'hardwire'. Did you mean 'hardware'?",
    ),
    "no strategy": (
        GOOD.replace("strategies: [{type: Frozen}, {type: Finetune}]\n", ""),
        "x.yaml:1:1: strategies: expected either `strategy` (one) or `strategies` (a list of at least one)",
    ),
    "a strategy twice": (
        GOOD.replace("{type: Frozen}, ", "{type: Finetune}, "),
        "x.yaml:13:13: strategies: Finetune is there twice",
    ),
}


@pytest.mark.parametrize(("text", "told"), FILES.values(), ids=FILES)
def test_bad_files(text: str | bytes, told: str, call: Call) -> None:
    Path("x.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    lines = refused(call, "run", "x.yaml").splitlines()
    assert [line for line in lines if line.startswith(told)], lines


def test_every_problem_at_once_in_the_order_of_the_file(call: Call) -> None:
    text = GOOD.replace("period: 5", "period: 0").replace("Finetune", "Finetuna")
    Path("x.yaml").write_text(text.replace("name: tiny", "nam: tiny"))
    lines = refused(call, "run", "x.yaml").splitlines()
    assert [line.split(": ")[0] for line in lines] == ["x.yaml:1:1", "x.yaml:6:11", "x.yaml:13:37"]


COMMANDS: dict[Words, str] = {
    ("run", "god.yaml"): "god.yaml: no such file. Did you mean 'good.yaml'?",
    ("run", "nothing/good.yaml"): "nothing/good.yaml: no such file",
    ("run", "folder"): "folder: this is a directory: expected a YAML file",
    ("run",): "Missing argument 'file'",
    ("run", "good.yaml", "--stream.perid=3"): "command line: stream.perid: unknown key 'perid'. "
    "Did you mean 'period'? Recurring takes: tunnels, regimes,",
    (
        "run",
        "good.yaml",
        "--sede=3",
    ): "command line: sede: unknown key 'sede'. Did you mean 'seed'?",
    (
        "run",
        "good.yaml",
        "--stream.steps=-1",
    ): "command line: stream.steps: expected an integer of 1 or more or null, got -1",
    ("run", "good.yaml", "--strategies.7.lr=1"): "command line: strategies: there is no item '7': "
    "the list has 2, counted from 0",
    (
        "run",
        "good.yaml",
        "--name.x=1",
    ): "command line: name: expected a mapping or list with 'x' in it, got 'tiny'",
    ("run", "good.yaml", "--seed=["): "command line: seed: not valid YAML: a value is missing here",
    ("run", "good.yaml", "--foo"): "command line: expected --path.to.key=value, got '--foo'",
    ("run", "good.yaml", "--=3"): "command line: expected --path.to.key=value, got '--=3'",
    (
        "run",
        "good.yaml",
        "--seed",
        "3",
    ): "command line: expected --path.to.key=value, got '--seed'. Did you mean '--seed=3'?",
    (
        "run",
        "good.yaml",
        "other.yaml",
    ): "command line: expected --path.to.key=value, got 'other.yaml'",
    ("run", "good.yaml", "--rundir=x"): "command line: unknown option '--rundir=x'. Did you mean "
    "'--run-dir'?",
    ("run", "good.yaml", "--run-dir"): "Option '--run-dir' requires an argument",
    (
        "run",
        "good.yaml",
        "--run-dir",
        "folder",
    ): "folder: expected a new or empty folder, this one is in use",
    (
        "run",
        "good.yaml",
        "--run-dir",
        "good.yaml",
    ): "good.yaml: expected a new or empty folder, this one is in use",
    ("run", "good.yaml", "--run-dir", "good.yaml/a"): "good.yaml/a: expected a folder that can be "
    "written, got: Not a directory",
    (
        "run",
        "good.yaml",
        "--run-dir",
        "/proc/a",
    ): "/proc/a: expected a folder that can be written, got:",
    (
        "run",
        "good.yaml",
        "--out=good.yaml",
    ): "expected a folder that can be written, got: Not a directory",
    (
        "run",
        "good.yaml",
        "--name=" + "a" * 300,
    ): "name: expected 1 to 100 printable bytes",
    (
        "run",
        "good.yaml",
        '--out="a\\0b"',
    ): "expected a folder that can be written, got: embedded null",
    (
        "run",
        "good.yaml",
        "--hardware.precision=16-mixed",
    ): "hardware.precision: expected one of '32-true', 'bf16-mixed', got '16-mixed'",
    ("resume", "folder"): "folder: expected the folder of a run (it holds experiment.yaml)",
    ("resume", "nothing"): "nothing: expected the folder of a run (it holds experiment.yaml). "
    "There is no such folder\n",
    ("resume", "foldr"): "foldr: expected the folder of a run (it holds experiment.yaml). "
    "There is no such folder. Did you mean 'folder'?",
    ("resume", "good.yaml"): "good.yaml: expected the folder of a run (it holds experiment.yaml)",
    ("resume",): "Missing argument 'run_dir'",
    ("report", "nothing"): "nothing: expected the folder of a run (it holds experiment.yaml)",
    ("report", "folder"): "folder: expected the folder of a run (it holds experiment.yaml)",
    ("report", "."): ".: expected the folder of a run (it holds experiment.yaml). "
    "Did you mean folder/latest?",
    ("report",): "Missing argument 'run_dirs'",
    (
        "run",
        "sweep.yaml",
    ): "sweep.yaml: this is a sweep: start it with `plasticity sweep sweep.yaml`",
    ("matrix", "sweep.yaml"): "this is a sweep",
    (
        "sweep",
        "good.yaml",
    ): "good.yaml: this is an experiment: start it with `plasticity run good.yaml`",
    ("bench", "good.yaml"): "this is an experiment",
    ("validate", "suite.yaml"): "this is a suite: start it with `plasticity bench suite.yaml`",
    ("run", "wandb.yaml"): "this is a sweep of wandb's: start it with `wandb sweep wandb.yaml`",
    ("check", "nonsense"): "nonsense: expected package.Class",
    ("check", "no.Such"): "no.Such: expected package.Class, and no cannot be imported: "
    "ModuleNotFoundError: No module named 'no'",
    (
        "check",
        "streams.Marcov",
    ): "streams.Marcov: there is no 'Marcov' in streams. Did you mean 'Markov'?",
    (
        "check",
        "pathlib.Path",
    ): "network, optimizer, detector, logger or metric, got another class",
    ("check", ".."): "..: expected package.Class",
    ("check", ""): "expected package.Class",
    ("check", "streams.Markov", "--symbol=3"): "unknown key 'symbol'. Did you mean 'symbols'?",
    ("rum",): "No such command 'rum'. Did you mean 'run'",
    ("--frob",): "No such option: --frob",
    ("report", "--frob", "folder"): "No such option: --frob",
}


OTHERS = {
    "sweep": "experiment: good.yaml\ngrid: {seed: [0, 1]}\n",
    "suite": "streams: {}\ntuning: {}\nnetwork: {}\n",
    "wandb": "method: grid\nparameters: {}\n",
}
"""Files that are no experiment."""


@pytest.mark.parametrize(
    ("words", "told"), COMMANDS.items(), ids=[" ".join(c)[:40] for c in COMMANDS]
)
def test_bad_commands(words: Words, told: str, call: Call) -> None:
    (Path("folder") / "inside").mkdir(parents=True)
    for run in ("early", "latest") if words[1:] == (".",) else ():
        (Path("folder") / run).mkdir()
        (Path("folder") / run / "experiment.yaml").touch()
    for kind, text in OTHERS.items():
        Path(f"{kind}.yaml").write_text(text)
    assert told in refused(call, *words)
