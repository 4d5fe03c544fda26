"""The command line as a stranger uses it: what cannot go on says how to go on, and nothing is lost."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import torch
import wandb

from plasticity.results import sealed
from plasticity.results.store import Run

from ...calling import GOOD, Call, refused


def test_the_version_is_the_changelogs(call: Call) -> None:
    """A section of its own, the uppermost; and by semantic versioning."""
    root = Path(__file__).parents[3]
    stated = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", stated)
    assert call("--version") == (0, f"plasticity {stated}\n", "")
    sections = re.findall(r"^## (\S+)", (root / "plasticity" / "CHANGELOG.md").read_text(), re.M)
    assert stated in sections[:2]


def test_a_gpu_where_there_is_none(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    told = refused(call, "run", "good.yaml", "--hardware.accelerator=gpu")
    assert told.endswith(
        ": hardware.accelerator: expected cpu or auto, got gpu: none is found here\n"
    )


def test_wandb_online_where_nobody_is_logged_in(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wandb.login", lambda **_: False)
    told = refused(call, "run", "good.yaml", "--wandb.mode=online")
    assert "wandb.mode: expected offline, got online: nobody is logged in" in told


def test_a_learning_rate_of_a_network_that_is_not_there(call: Call) -> None:
    told = refused(call, "run", "good.yaml", "--pretrain.lrs.Tranformer=0.1")
    text = (
        "pretrain.lrs.Tranformer: there is no network of this name. Did you mean 'Transformer'?\n"
    )
    assert told == f"command line: {text}"


def test_a_strategy_that_works_at_shifts_and_hears_of_none(call: Call) -> None:
    words = "run", "good.yaml", "--announce_shifts=false", "--strategies.1.type=EWC"
    told = refused(call, *words)
    assert (
        "strategies.1: EWC works at shifts: expected announce_shifts: true, or a detector" in told
    )
    assert call(*words, "--detector.type=PageHinkley").code == 0


def test_a_run_that_cannot_begin_leaves_no_folder(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write_nothing(path: Path, data: bytes) -> None:
        raise full

    monkeypatch.setattr(sealed, "write_whole", write_nothing)
    told = refused(call, "run", "good.yaml", "--run-dir", "deep/er/run")
    assert told.endswith("got: No space left on device\n")


def test_a_run_reports_and_is_reported(call: Call) -> None:
    """The good case, so that the bad ones above fail for the reason they name."""
    done = call("run", "good.yaml", "--run-dir", "run", "--seed=3", drawn=True)
    assert done.code == 0, done
    assert done.err == ""
    assert [cell.name for cell in Run(Path("run")).cells()] == ["Frozen-seed3", "Finetune-seed3"]
    assert (
        Path("run/report.html").read_text().startswith("<!doctype html>") and "Finetune" in done.out
    )
    assert call("report", "run", "--to", "page.html").code == 0
    assert Path("page.html").read_text().startswith("<!doctype html>")


def test_the_tunnel_table_is_printed_and_refuses_as_run_does(call: Call) -> None:
    words = ("tunnel-table", "good.yaml", "--pretrain.steps=2", "--jobs=1", "--to=page.html")
    done = call(*words)
    assert done.code == 0, done.err
    assert all(name in done.out for name in ("Transformer", "memoryless", "position", "uniform"))
    assert "KL(amnesic || network)" in Path("page.html").read_text()
    assert "expected the file of an experiment" in refused(call, "tunnel-table", "--seed=3")
    assert "Did you mean 'good.yaml'?" in refused(call, "tunnel-table", "god.yaml")
    assert "'regims'" in refused(call, "tunnel-table", "good.yaml", "--stream.regims=3")


def test_hybrid_is_printed_and_refuses_worlds_without_hypotheses(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plasticity.cli.common.out.width", 80)
    world = "--stream.tunnels=[{type: Recurrence, modulus: 3}]"
    small = "--pretrain.steps=1", "--draws=1024", "--episodes=8", "--steps=2", "--jobs=1"
    small += ("--name=a-recurrence-modulo-three",)  # so long that a terminal has no room for all
    done = call("hybrid", "good.yaml", world, *small, "--to=page.html")
    assert done.code == 0, done.err
    assert all(name in done.out for name in ("network alone", "prior", "posterior, pooled"))
    assert "n = 1,024" in done.out and "ESS" not in done.out.splitlines()[1] and "…" not in done.out
    assert "KL(amnesic, hybrid)" in Path("page.html").read_text()
    told = refused(call, "hybrid", "good.yaml")
    assert (
        told == "good.yaml: stream.tunnels: Markov has no finite set of hypotheses to choose from\n"
    )


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


@pytest.mark.parametrize("kind", ["parquet", "json", "safetensors"])
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
    assert done.code == 102 and "Traceback" not in done.err + done.out
    assert "no server" in done.out and done.err.endswith("again: plasticity resume run\n")
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


def test_ctrl_c_before_the_first_cell_says_how_to_go_on(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is there already, and Lightning takes seconds to import."""

    class Importing(ModuleType):
        def __getattr__(self, name: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "plasticity.launch.run", Importing("plasticity.launch.run"))
    done = call("run", "good.yaml", "--run-dir=cut")
    assert (done.code, done.out) == (130, "run: cut\n")
    assert done.err.endswith("go on with: plasticity resume cut\n")


def test_ctrl_c_while_a_study_pretrains_says_how_to_go_on(tmp_path: Path) -> None:
    """Lightning hears the key first, and leaves with an exit code of its own, silently."""
    (tmp_path / "good.yaml").write_text(GOOD)
    words = command("inside", "good.yaml", "--pretrain.steps=100000")
    with subprocess.Popen(
        words, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, process_group=0
    ) as process:
        deadline = time.monotonic() + 120
        while not [*tmp_path.glob("runs/pretrained/*/timing/*.parquet")]:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == "stopped; what is done is kept; go on with the same command\n"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_matrix_that_is_stopped_while_it_pretrains_says_so_too(
    stop: type[BaseException], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise stop

    monkeypatch.setattr("plasticity.launch.restore.pretrained_network", stopped)
    done = call("matrix", "good.yaml")
    assert done.code == 130
    assert done.err == "stopped; what is done is kept; go on with the same command\n"


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
