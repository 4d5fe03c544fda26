"""`plasticity watch` and `plasticity dashboard`: what a reader finds in the browser, and what wandb would be given."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from plasticity.results.store import Run
from plasticity.tracking.watch import shown, told_apart

from ...calling import Call, refused

watched = pytest.mark.skipif(find_spec("trackio") is None, reason="trackio is missing")
boarded = pytest.mark.skipif(
    find_spec("wandb_workspaces") is None, reason="wandb-workspaces is missing"
)
old = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # at the import of wandb-workspaces


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wandb.login", lambda **_: False)


def asked(url: str, name: str, **arguments: str) -> Any:
    """What the dashboard answers to what its page asks."""
    body, headers = json.dumps(arguments).encode(), {"Content-Type": "application/json"}
    base = url.partition("?")[0]
    page = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    page.open(url, timeout=20).close()
    request = urllib.request.Request(f"{base}api/{name}", data=body, headers=headers)
    with page.open(request, timeout=20) as answer:
        return json.loads(answer.read())["data"]


@watched
def test_a_run_is_watched_and_ctrl_c_ends_it(call: Call, tmp_path: Path) -> None:
    """A run that is done and one that begins later; the temporary folder goes with the watch."""
    assert call("run", "good.yaml", "--run-dir", "runs/tiny/one").code == 0
    (tmp_path / "temporary").mkdir()
    base = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "300", "HOME": str(tmp_path)}
    base |= {"TMPDIR": str(tmp_path / "temporary"), "MPLCONFIGDIR": str(tmp_path)}
    words = [sys.executable, "-m", "plasticity", "watch", "--no-browser"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env=base) as process:
        assert process.stdout and (line := process.stdout.readline())
        found = re.search(r"http://\S+", line)
        assert found, line

        def names() -> list[str]:
            told = asked(found[0], "get_runs_for_project", project="plasticity")
            return sorted(run["name"] if isinstance(run, dict) else run for run in told)

        ideals = ["amnesic-seed0", "continual-seed0"]
        wanted = sorted([*ideals, "Finetune-seed0", "Frozen-seed0"])
        until(lambda: names() == wanted)
        assert call("run", "good.yaml", "--run-dir", "runs/tiny/two").code == 0
        later = [f"{name} two" for name in wanted]
        until(lambda: names() == sorted(wanted + later))
        with urllib.request.urlopen(found[0], timeout=20) as page:
            assert b"<html" in page.read().lower()
        for stranger in (found[0].partition("?")[0], re.sub("token=.", "token=", found[0])):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(stranger, timeout=20)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0 and stderr == ""
    assert not list((tmp_path / "temporary").glob("plasticity-watch-*"))


def until(true: Any) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_folder_without_runs_is_refused(call: Call) -> None:
    told = refused(call, "watch", "--no-browser")
    assert told.startswith("runs: expected the folder of a run") and "no such folder" in told


def test_a_missing_trackio_is_told(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("run", "good.yaml", "--run-dir", "run").code == 0
    monkeypatch.setitem(sys.modules, "trackio", None)
    told = refused(call, "watch", "run", "--no-browser")
    assert told == "watch: trackio is missing: pip install 'plasticity-testbed[watch]'\n"


def test_runs_are_told_apart_by_as_little_as_does(tmp_path: Path) -> None:
    """By the experiment, which a reader knows; by the folder only where two are of one experiment."""
    names = {"1": "mine", "2": "mine", "3": "other"}
    runs = [tmp_path / folder for folder in names]
    for run in runs:
        Run(run).begin(f"name: {names[run.name]}\n", {})
    assert told_apart(runs[0], runs[:1]) == ""
    assert [told_apart(run, runs[:2]) for run in runs[:2]] == [" 1", " 2"]
    assert [told_apart(run, runs[1:]) for run in runs[1:]] == [" mine", " other"]
    assert [told_apart(run, runs) for run in runs] == [" mine 1", " mine 2", " other"]
    (runs[2] / "environment.json").unlink()  # damaged
    assert told_apart(runs[2], runs[1:]) == " 3"


def test_what_is_drawn_of_a_row() -> None:
    row = {
        "stream/step": 50.0,
        "stream/visit": 2.0,
        "stream/alarms": 0.0,
        "window/kl/model": 0.5,
        "window/kl/continual": 0.1,
        "window/tv/model": 0.3,
        "window/skill": 0.7,
        "probe/regime1": 0.2,
        "probe/fresh0": 0.9,
        "condition/dormant/tau0.1": 0.0,
    }
    assert shown(row, "continual") == {"bits from the truth/KL, bits per position": 0.1}
    assert shown(row, "model") == {
        "bits from the truth/KL, bits per position": 0.5,
        "skill/skill of the stretch": 0.7,
        "stream/visit": 2.0,
        "bits on held-out probes/regime B": 0.2,
        "bits on held-out probes/fresh latents, tunnel 0": 0.9,
        "condition/dormant tau0.1": 0.0,
    }


@boarded
@old
def test_a_dashboard_is_written_and_how_to_push_it_told(call: Call) -> None:
    done = call("dashboard", "--entity", "us", "--project", "p", "--to", "board")
    assert done.code == 0 and done.out.endswith(
        "plasticity dashboard --entity us --project p --push\n"
    )
    read = {path.stem: json.loads(path.read_text()) for path in Path("board").iterdir()}
    assert read.keys() == {"workspace", "report", "probe_matrix", "posteriors", "visits"}
    spec = read["workspace"]["spec"]
    sections = spec["section"]["panelBankConfig"]["sections"]
    assert [each["name"] for each in sections][:3] == [
        "Skill",
        "Bits from the truth",
        "What is still known",
    ]
    assert [each["heading"] for each in read["report"]["blocks"]] == [
        each["name"] for each in sections
    ]
    panels = [panel for each in sections for panel in each["panels"]]
    lines = [panel for panel in panels if panel["viewType"] == "Run History Line Plot"]
    assert lines and all(panel["config"]["xAxis"] == "step" for panel in lines)
    (runset,) = spec["section"]["runSets"]
    assert [key["name"] for key in runset["grouping"]] == ["name.value", "label.value"]


@boarded
@old
def test_every_field_of_a_chart_is_given_a_column(call: Call) -> None:
    """The panels and the Vega-Lite files agree, and so do the panels and what is logged."""
    assert call("dashboard", "--entity", "us", "--to", "board").code == 0
    workspace = json.loads(Path("board/workspace.json").read_text())
    sections = workspace["spec"]["section"]["panelBankConfig"]["sections"]
    charts = [p["config"] for s in sections for p in s["panels"] if p["viewType"] == "Vega2"]
    assert len(charts) == 3
    for chart in charts:
        owner, _, name = chart["panelDefId"].partition("/plasticity-")
        asks = set(re.findall(r"\$\{field:(\w+)\}", Path(f"board/{name}.json").read_text()))
        assert owner == "us" and chart["fieldSettings"].keys() == asks


@boarded
@old
def test_nobody_can_push_without_an_account(call: Call, nobody: None) -> None:
    told = refused(call, "dashboard", "--entity", "us", "--push")
    assert told == (
        "dashboard: --push expects an account: nobody is logged in, see `wandb login`\n"
    )


@boarded
@old
def test_a_push_says_where_it_is(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The classes of wandb-workspaces themselves, up to the wire."""
    from wandb_workspaces.reports.v2.interface import Report
    from wandb_workspaces.workspaces import Workspace

    charts: list[str] = []

    class Server:
        default_entity = "us"

        def create_custom_chart(self, **chart: Any) -> None:
            charts.append(f"{chart['entity']}/{chart['name']}")

    for cls in (Workspace, Report):
        monkeypatch.setattr(cls, "save", lambda self, **_: self)
        monkeypatch.setattr(cls, "url", f"https://host/{cls.__name__}")
    monkeypatch.setattr("wandb.login", lambda **_: True)
    monkeypatch.setattr("wandb.Api", Server)
    done = call("dashboard", "--entity", "us", "--push")
    assert done.code == 0, done.err
    assert done.out == "workspace: https://host/Workspace\nreport: https://host/Report\n"
    assert charts == [f"us/plasticity-{name}" for name in ("probe_matrix", "posteriors", "visits")]
    assert refused(call, "dashboard", "--push").startswith("dashboard: --push expects --entity")
