"""Dashboard: the workspace, the report and the charts that wandb shows the runs of a project with."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from wandb_workspaces.reports import v2 as reports
from wandb_workspaces.reports.v2.interface import Report, Runset
from wandb_workspaces.workspaces import (
    Config,
    Ordering,
    RunsetSettings,
    Section,
    Summary,
    Workspace,
    WorkspaceSettings,
)

from plasticity.results.sealed import write_json
from plasticity.tracking.headlines import STEP

NAME = "Plasticity"
CHARTS = ("probe_matrix", "posteriors", "visits")
"""Vega-Lite presets of our own; a workspace names them by their owner."""
IDEALS = ("amnesic", "continual", "switching")
LEAD = (
    "What does each strategy carry over when the world comes back, and what does it forget? In bits from an exact "
    "Bayesian observer: 0 is the truth. Skill: 0 is the best that any frozen model can do, 1 the ideal continual "
    "learner, and below 0 the updates do harm."
)


def sections(entity: str) -> list[tuple[str, str, list[Any]]]:
    """(title, sentence, panels) of every section.

    Args:
        entity: who owns the charts.
    """
    over, bars = _over_steps, _bars
    ideals = [f"all/window/kl/{name}" for name in IDEALS]
    return [
        (
            "Skill",
            "Over the whole stream, on returns to a regime, and stretch by stretch.",
            [
                bars("Skill", "skill"),
                bars("Gain over the network as it was", "gain"),
                bars("Skill on returns", "all/final/skill/returns"),
                over("Skill of each stretch", "skill"),
                reports.MediaBrowser(title="Drawn", media_keys=["pictures/skill_bars"]),
            ],
        ),
        (
            "Bits from the truth",
            "KL(informed || model) per asked position. Shades are regimes, and their edges are shifts.",
            [
                _chart(entity, "visits", {"history": {"keys": list(_VISITS.values())}}, _VISITS),
                over("KL(informed || model)", "kl"),
                over("KL of the exact observers", *ideals),
                over("Regime", "all/stream/regime"),
                over("Visits so far", "all/stream/visit"),
                over("Alarms of the detector so far", "all/stream/alarms"),
            ],
        ),
        (
            "What is still known",
            "Held-out probes of every regime, weights as they were at that step. Dark is forgotten.",
            [
                _table(entity, "probe_matrix", "step", "regime", "bits"),
                reports.MediaBrowser(title="The same, drawn", media_keys=["pictures/probe_map"]),
                reports.LinePlot(title="Bits on each probe", x=STEP, metric_regex="all/probe/.*"),
                bars("Forgetting", "forgetting"),
                bars("Bits above the exact frontier", "frontier/excess"),
                reports.MediaBrowser(title="The frontier", media_keys=["pictures/frontier"]),
            ],
        ),
        (
            "What the model says",
            "Some positions of the last probes: the model's predictive beside those of three exact observers.",
            [_table(entity, "posteriors", "regime", "position", "symbol", "model", *_OBSERVERS)],
        ),
        (
            "The state of the network",
            "Dormant units, rank of the features, their drift and how far the weights went.",
            [
                over("Dormant units", "all/condition/dormant/tau0.025"),
                over("Effective rank", "all/condition/effective_rank/roy2007"),
                over("Drift of the features", "all/condition/drift/cka2019"),
                over("Distance of the weights", "all/condition/weight/distance"),
            ],
        ),
        (
            "Cost",
            "Milliseconds per step, and what the strategy trains and remembers.",
            [
                over("Milliseconds per step", "cost"),
                bars("Trained parameters", "all/final/cost/trainable"),
                bars("Memory in bytes", "all/final/cost/memory_bytes"),
            ],
        ),
    ]


def workspace(entity: str, project: str) -> Workspace:
    """Runs grouped by what they are labelled, the best first; everything over `step`."""
    return Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[
            Section(name=title, panels=panels, is_open=place < 3)
            for place, (title, _, panels) in enumerate(sections(entity))
        ],
        settings=WorkspaceSettings(x_axis=STEP, max_runs=40),
        runset_settings=RunsetSettings(
            groupby=[Config("name"), Config("label")],
            order=[Ordering(Summary("skill"), ascending=False)],
        ),
    )


def report(entity: str, project: str) -> dict[str, Any]:
    """The same as a text with panels, to be finished by hand: title, description, blocks.

    wandb has no template without an account, so this is our own: a block has a heading, a text and panels as wandb
    stores them.
    """
    blocks = [
        {"heading": title, "text": text, "panels": [_stored(panel) for panel in panels]}
        for title, text, panels in sections(entity)
    ]
    return {"title": f"{NAME}: {project}", "description": LEAD, "blocks": blocks}


def write(entity: str, project: str, folder: Path) -> list[Path]:
    """Write workspace.json, report.json and every chart.

    Args:
        entity: whose it will be.
        project: which runs it will show.
        folder: where.
    """
    contents = {
        "workspace": _stored(workspace(entity, project)),
        "report": report(entity, project),
        **{chart: preset(chart) for chart in CHARTS},
    }
    for name, content in contents.items():
        write_json(folder / f"{name}.json", content)
    return [folder / f"{name}.json" for name in contents]


def push(entity: str, project: str) -> dict[str, str]:
    """Save charts, workspace and report in wandb.

    Returns:
        The addresses: of `workspace` and of `report`.
    """
    import wandb

    api = wandb.Api()
    for chart in CHARTS:
        api.create_custom_chart(
            entity=entity,
            name=f"plasticity-{chart}",
            display_name=f"plasticity {chart}",
            spec_type="vega2",
            access="private",
            spec=preset(chart),
        )
    runs = [Runset(entity=entity, project=project)]
    blocks = [
        block
        for title, text, panels in sections(entity)
        for block in (
            reports.H2(title),
            reports.P(text),
            reports.PanelGrid(runsets=runs, panels=panels),
        )
    ]
    page = Report(
        project=project,
        entity=entity,
        title=f"{NAME}: {project}",
        description=LEAD,
        blocks=[reports.P(LEAD), *blocks],
    )
    return {
        "workspace": workspace(entity, project).save().url,
        "report": page.save(draft=True).url,
    }


def preset(chart: str) -> dict[str, Any]:
    """The Vega-Lite of a chart; `${field:x}` stands for the column that a panel puts there."""
    file = files("plasticity.tracking") / "charts" / f"{chart}.json"
    return json.loads(file.read_text(encoding="utf-8"))


_OBSERVERS = ("informed", "continual", "amnesic")
_VISITS = {
    "step": STEP,
    "regime": "all/stream/regime",
    "visit": "all/stream/visit",
    "bits": "kl",
}


def _over_steps(title: str, *keys: str) -> reports.LinePlot:
    return reports.LinePlot(title=title, x=STEP, y=list(keys))


def _bars(title: str, key: str) -> reports.BarPlot:
    return reports.BarPlot(title=title, metrics=[reports.SummaryMetric(key)])


def _table(entity: str, key: str, *columns: str) -> reports.CustomChart:
    """A chart of a logged table, which is called as the chart is."""
    query = {"summaryTable": {"tableKey": key}}
    return _chart(entity, key, query, {column: column for column in columns})


def _chart(entity: str, chart: str, query: Any, fields: dict[str, str]) -> reports.CustomChart:
    name = f"{entity}/plasticity-{chart}"
    return reports.CustomChart(query=query, chart_name=name, chart_fields=fields)


def _stored(thing: Any) -> Any:
    """As wandb stores it."""
    return json.loads(thing._to_model().model_dump_json(by_alias=True, exclude_none=True))
