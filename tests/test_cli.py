"""The command line as a stranger uses it: what is wrong is said in one line, and nothing is left behind."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import wandb

from plasticity import cli, launch
from plasticity.store import Run

GOOD = """\
name: tiny
stream:
  type: Recurring
  tunnels: [{type: Markov, symbols: 3, concentration: 0.5}]
  regimes: 2
  period: 5
  steps: 10
  batch: 2
  time: 6
  probe: 4
network: {type: Transformer, width: 8, depth: 1, heads: 2}
pretrain: {steps: 0}
strategies: [{type: Frozen}, {type: Finetune}]
stretch: 5
wandb: {mode: disabled}
hardware: {threads: 1}
"""
Words = tuple[str, ...]


class Done(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Done]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """`plasticity WORDS` in an empty folder that holds good.yaml; in this process."""
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    Path("good.yaml").write_text(GOOD)

    def plasticity(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["plasticity", *words])
        monkeypatch.setattr(sys, "path", sys.path[:])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return plasticity


def tree() -> dict[str, bytes]:
    """Every file and folder here, with what is in it."""
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in sorted(Path().rglob("*"))}


def refused(call: Call, *words: str) -> str:
    """What is said on stderr of a call that must fail with 2, without a traceback, and leave nothing."""
    before = tree()
    done = call(*words)
    assert done.code == 2, done
    assert "Traceback" not in done.err + done.out
    assert tree() == before
    return done.err


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
        "x.yaml:2:1: not valid YAML: this cannot stand here: indent by spaces, quote special text",
    ),
    "different alphabets": (
        GOOD.replace("0.5}]", "0.5}, {type: Markov, symbols: 4}]"),
        "x.yaml:3:3: stream: tunnels whose alphabets differ: tunnels[1] (Markov) has vocab 4, "
        "tunnels[0] (Markov) has 3",
    ),
    "no tunnel": (
        GOOD.replace("[{type: Markov, symbols: 3, concentration: 0.5}]", "[]"),
        "x.yaml:3:3: stream: tunnels: expected at least one tunnel, got an empty list",
    ),
    "negative steps": (
        GOOD.replace("steps: 10", "steps: -10"),
        "x.yaml:7:10: stream.steps: expected an integer of 1 or more, got -10",
    ),
    "a time that the tunnel cannot make": (
        GOOD.replace("Markov, symbols: 3, concentration: 0.5", "Binding"),
        "x.yaml:3:3: stream: time: Binding with 19 pairs makes sequences of 37 symbols",
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
        "x.yaml:1:1: expected either `strategy` (one) or `strategies` (a list of at least one)",
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
    ): "command line: stream.steps: expected an integer of 1 or more, got -1",
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
    ): "expected a folder that can be written, got: File name too long",
    (
        "run",
        "good.yaml",
        '--out="a\\0b"',
    ): "expected a folder that can be written, got: embedded null",
    (
        "run",
        "good.yaml",
        "--hardware.precision=16-mixed",
    ): "hardware.precision: expected 32-true or bf16-mixed, got 16-mixed: it needs a GPU",
    ("resume", "folder"): "folder: expected the folder of a run (it holds experiment.yaml)",
    ("resume", "nothing"): "nothing: expected the folder of a run (it holds experiment.yaml). "
    "There is no such folder\n",
    ("resume", "foldr"): "foldr: expected the folder of a run (it holds experiment.yaml). "
    "There is no such folder. Did you mean 'folder'?",
    ("resume", "good.yaml"): "good.yaml: expected the folder of a run (it holds experiment.yaml)",
    ("resume",): "Missing argument 'run_dir'",
    ("report", "nothing"): "nothing: expected the folder of a run (it holds experiment.yaml)",
    ("report", "folder"): "folder: expected the folder of a run (it holds experiment.yaml)",
    ("report",): "Missing argument 'run_dirs'",
    ("check", "nonsense"): "nonsense: expected package.Class",
    ("check", "no.Such"): "no.Such: expected package.Class, and no cannot be imported: "
    "ModuleNotFoundError: No module named 'no'",
    (
        "check",
        "streams.Marcov",
    ): "streams.Marcov: there is no 'Marcov' in streams. Did you mean 'Markov'?",
    ("check", "pathlib.Path"): "expected a tunnel, a strategy or a network",
    ("check", ".."): "..: expected package.Class",
    ("check", ""): "expected package.Class",
    ("check", "streams.Markov", "--symbol=3"): "unknown key 'symbol'. Did you mean 'symbols'?",
    ("rum",): "No such command 'rum'. Did you mean 'run'",
    ("--frob",): "No such option: --frob",
    ("report", "--frob", "folder"): "No such option: --frob",
}


@pytest.mark.parametrize(
    ("words", "told"), COMMANDS.items(), ids=[" ".join(c)[:40] for c in COMMANDS]
)
def test_bad_commands(words: Words, told: str, call: Call) -> None:
    (Path("folder") / "inside").mkdir(parents=True)
    assert told in refused(call, *words)


def test_a_gpu_where_there_is_none(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    told = refused(call, "run", "good.yaml", "--hardware.accelerator=gpu")
    assert told == "hardware.accelerator: expected cpu or auto, got gpu: none is found here\n"


def test_wandb_online_where_nobody_is_logged_in(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wandb.login", lambda **_: False)
    told = refused(call, "run", "good.yaml", "--wandb.mode=online")
    assert told.startswith("wandb.mode: expected offline, got online: nobody is logged in")


def test_a_run_that_cannot_begin_leaves_no_folder(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write_nothing(path: Path, data: bytes) -> None:
        raise full

    monkeypatch.setattr(launch, "write_whole", write_nothing)
    told = refused(call, "run", "good.yaml", "--run-dir", "deep/er/run")
    assert told.endswith("got: No space left on device\n")


def test_a_run_reports_and_is_reported(call: Call) -> None:
    """The good case, so that the bad ones above fail for the reason they name."""
    done = call("run", "good.yaml", "--run-dir", "run", "--seed=3")
    assert done.code == 0, done
    assert done.err == ""
    assert [cell.name for cell in Run(Path("run")).cells()] == ["Frozen-seed3", "Finetune-seed3"]
    assert Path("run/report.html").exists() and "Finetune" in done.out
    assert call("report", "run", "--to", "page.html").code == 0
    assert Path("page.html").read_text().startswith("<!doctype html>")


def test_a_run_directory_in_use_names_the_way_on(call: Call) -> None:
    call("run", "good.yaml", "--run-dir", "run", "--stream.steps=1")
    told = refused(call, "run", "good.yaml", "--run-dir", "run")
    assert told.endswith("in use; go on with: plasticity resume run\n")
    again = call("resume", "run")
    assert again.code == 0 and again.out.count("already done") == 2


def test_resume_of_a_damaged_run_is_refused(call: Call) -> None:
    call("run", "good.yaml", "--run-dir", "run", "--stream.steps=1")
    file = Path("run/experiment.yaml")
    text = file.read_text()
    file.write_text(text[: text.index("strategies:")] + "strategies: [{type: Fin")
    assert refused(call, "resume", "run").startswith("run/experiment.yaml:")
    file.write_text(text.replace("type: Finetune", "type: Finetuna"))
    assert "unknown strategy 'Finetuna'. Did you mean 'Finetune'?" in refused(call, "resume", "run")
    file.write_text(text.replace("heads: 2", "heads: 3"))
    assert "width 8 does not divide into 3 heads" in refused(call, "resume", "run")


def same_record(one: Run, other: Run) -> bool:
    """Whether two runs have stored the same numbers, timings aside."""
    if [cell.name for cell in one.cells()] != [cell.name for cell in other.cells()]:
        return False
    return all(
        a.done
        and b.done
        and a.steps.read().equals(b.steps.read())
        and a.probes.read().equals(b.probes.read())
        for a, b in zip(one.cells(), other.cells(), strict=True)
    )


@pytest.mark.parametrize("kind", ["parquet", "json", "ckpt"])
def test_a_full_disk_says_how_to_go_on(
    kind: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up in the second cell, at its first file of this kind; then there is room again."""
    assert call("run", "good.yaml", "--run-dir", "whole").code == 0
    fsync = os.fsync

    def full(file: int) -> None:
        path = os.readlink(f"/proc/self/fd/{file}")
        if "Finetune" in path and f".{kind}." in path:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(file)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        done = call("run", "good.yaml", "--run-dir", "cut")
    assert done.code == 1, done
    assert done.err == (
        "No space left on device: cut; nothing before the last checkpoint is lost; "
        "go on with: plasticity resume cut\n"
    )
    assert not list(Path().rglob("*.partial"))
    assert not same_record(Run(Path("whole")), Run(Path("cut")))
    assert call("resume", "cut").code == 0
    assert same_record(Run(Path("whole")), Run(Path("cut")))


@pytest.mark.parametrize("fault", [wandb.Error("no server"), PermissionError(13, "no server")])
def test_a_wandb_that_does_not_begin_says_how_to_go_on(
    fault: Exception, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**_: object) -> None:
        raise fault

    monkeypatch.setattr(wandb, "init", init)
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_SILENT"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setattr("logging.raiseExceptions", True)
    done = call("run", "good.yaml", "--run-dir", "run", "--wandb.mode=offline")
    assert done.code == 1 and "Traceback" not in done.err
    assert "no server" in done.err and done.err.endswith("go on with: plasticity resume run\n")
    yaml = Path("run/experiment.yaml")
    yaml.write_text(yaml.read_text().replace("mode: offline", "mode: disabled"))
    assert call("resume", "run").code == 0


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "plasticity", *words]


ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "300"}


def test_ctrl_c_stops_and_resume_completes(tmp_path: Path, call: Call) -> None:
    """As a terminal sends it: to every process of the group, wandb's too."""
    words = ("run", "good.yaml", "--run-dir", "cut", "--stream.steps=100", "--wandb.mode=offline")
    with subprocess.Popen(
        command(*words),
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        awaited = tmp_path / "cut/cells/Finetune-seed0/steps/00001.parquet"
        deadline = time.monotonic() + 120
        while not awaited.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == (
        "stopped; nothing before the last checkpoint is lost; go on with: plasticity resume cut\n"
    )
    cut = Run(tmp_path / "cut")
    assert [cell.done for cell in cut.cells()] == [True, False]
    done = call("resume", "cut")
    assert done.code == 0 and done.err == "", done
    assert all(cell.done and len(cell.steps.read()) == 100 for cell in cut.cells())


def test_as_a_process(tmp_path: Path) -> None:
    """What the shell sees: exit code 2, a clean stderr, an empty stdout."""
    (tmp_path / "x.yaml").write_text(GOOD.replace("regimes:", "regims:"))
    done = subprocess.run(
        command("run", "x.yaml"), cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("x.yaml:5:3: stream.regims: unknown key") and (
        done.stderr.count("\n") == 1
    )
    assert [p.name for p in tmp_path.iterdir()] == ["x.yaml"]
