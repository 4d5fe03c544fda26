"""Commands about what a YAML may say: init, schema, validate, explain."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plasticity.cli.common import PASS_ON, Configs, contracts, located, out, refusal, warn

if TYPE_CHECKING:
    from plasticity.cli.explain import Explanation
    from plasticity.core.stream import Stream
    from plasticity.launch.experiment import Experiment
    from plasticity.metrics.glossary import Entry

app = typer.Typer()
SCHEMAS = {
    "experiment": "plasticity.config.schema.json",
    "sweep": "plasticity.sweep.schema.json",
    "suite": "plasticity.suite.schema.json",
}
"""Kind of file -> what its first line names: beside it, so that the folder can be moved."""


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="A new file.")] = Path("experiment.yaml"),
) -> None:
    """Write a commented YAML to begin with, and the schemas by which an editor completes and checks it.

    Those of a sweep and of a suite lie beside it: `# yaml-language-server: $schema=plasticity.sweep.schema.json` is the
    first line of a sweep.
    """
    from importlib.resources import files

    if file.exists():
        raise refusal(f"{file}: expected a new file, this one is there already")
    text = (files("plasticity.cli") / "starter.yaml").read_text(encoding="utf-8")
    for kind, name in SCHEMAS.items():
        _write(file.parent / name, _schema(kind))
    _write(file, f"# yaml-language-server: $schema={SCHEMAS['experiment']}\n{text}")
    told = (
        f"new: {file}; see if it is fine: plasticity validate {file}; run it: plasticity run {file}"
    )
    out.print(told, highlight=False, soft_wrap=True)
    told = (
        f"{file.parent / 'plasticity.*.schema.json'}: for your editor; after installing a plugin: "
    )
    told += f"plasticity schema --all {file.parent}"
    out.print(told, highlight=False, soft_wrap=True, style="dim")


@app.command()
def schema(
    to: Annotated[
        Path | None, typer.Option(help="The file to write; by default it is shown.")
    ] = None,
    suite: Annotated[bool, typer.Option("--suite", help="Of a suite of the benchmark.")] = False,
    sweep: Annotated[bool, typer.Option("--sweep", help="Of a sweep.")] = False,
    every: Annotated[
        Path | None, typer.Option("--all", help="A folder, for those of all three kinds of file.")
    ] = None,
) -> None:
    """JSON schema of an experiment, with every class that is installed, for an editor.

    The first line of a YAML tells the editor where it is: # yaml-language-server: $schema=plasticity.config.schema.json
    """
    if every is not None:
        for kind, name in SCHEMAS.items():
            _write(every / name, _schema(kind))
            out.print(f"schema: {every / name}", highlight=False, soft_wrap=True)
        return
    text = _schema("suite" if suite else "sweep" if sweep else "experiment")
    if to is None:
        typer.echo(text, nl=False)
        return
    _write(to, text)
    out.print(f"schema: {to}", highlight=False, soft_wrap=True)


@app.command(context_settings=PASS_ON)
def validate(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE... [--KEY=VALUE...]", help="Experiments or sweeps, and keys of all."
        ),
    ],
    config: Configs = None,
) -> None:
    """Check each FILE without running it: every problem at once, and where it is.

    Every part is built once, of a sweep those of every variation, so what passes here will start.
    """
    from plasticity.core.errors import ConfigError

    files = [word for word in words if not word.startswith("--") and "=" not in word]
    overrides = [word for word in words if word not in files]
    if not files:
        raise refusal("command line: expected the file of an experiment, got none")
    wrong = False
    for file in files:
        try:
            told = _checked(Path(file), overrides, config or [])
            out.print(f"{file}: fine, {told}", highlight=False, soft_wrap=True)
        except ConfigError as error:
            wrong = True
            for problem in error.problems:
                refusal(str(problem))
            if len(files) > 1:
                refusal(f"{file}: {len(error.problems)} to mend")
    if wrong:
        raise typer.Exit(2)


@app.command()
def explain(
    kind: Annotated[
        str | None, typer.Argument(help="strategy, stream, metric ...; by default all are named.")
    ] = None,
    name: Annotated[str | None, typer.Argument(help="EWC, Recurring, skill ...")] = None,
) -> None:
    """What a YAML can say: arguments, equation, source, and a snippet to begin with.

    plasticity explain strategy EWC; plasticity explain stream; plasticity explain metric skill
    """
    nouns = contracts()
    from plasticity.cli.explain import explain as explained
    from plasticity.cli.explain import pick, shelves

    found = shelves(nouns)
    if kind is None:
        for each, classes in found.items():
            _line(f"{each}: {', '.join(classes)}" if len(classes) > 1 else each)
        _line("metric: every number of a run\ngo on with: plasticity explain KIND [NAME]")
        return
    home = [each for each, classes in found.items() if kind in classes]
    if name is None and len(home) == 1:  # the name alone is enough
        kind, name = home[0], kind
    if (
        name is None
        and kind not in found
        and any(e.id == kind or e.explains(kind) for e in _entries())
    ):
        kind, name = "metric", kind
    kind = pick("kind", kind, [*found, "metric"], [n for names in found.values() for n in names])
    if kind == "metric":
        for entry in _entries() if name is None else [_entry(name)]:
            source = f" ({entry.source})" if entry.source else ""
            _line(f"{entry.id} [{entry.unit or 'no unit'}]: {entry.formula}{source}")
        return
    classes = found[kind]
    if name is None and len(classes) > 1:
        for each, namesakes in classes.items():
            first = (namesakes[0].__doc__ or "").strip().partition("\n")[0]
            _line(f"{each}: {first}")
        return
    for cls in classes[pick(kind, name, list(classes)) if name else next(iter(classes))]:
        _print(explained(cls, "" if kind == "experiment" else kind, nouns))


def _entry(name: str) -> "Entry":
    """The entry of the glossary for a key of a summary, or for a number of the inside of a network.

    Raises:
        ConfigError: there is none; with the nearest one.
    """
    from plasticity.cli.explain import pick

    entries = {entry.id: entry for entry in _entries()}
    if name in entries:
        return entries[name]
    found = [entry for entry in entries.values() if entry.explains(name)]
    return found[0] if found else entries[pick("metric", name, [*entries])]


def _entries() -> "list[Entry]":
    from plasticity.diagnostics import geometry
    from plasticity.metrics.glossary import glossary

    return [*glossary(), *geometry.glossary()]


def _print(found: "Explanation") -> None:
    """Title, docstring, arguments, snippet."""
    out.print(found.title, style="bold", highlight=False, soft_wrap=True)
    _line(f"\n{found.text}\n\narguments:")
    for name, takes, default, told in found.arguments:
        _line(f"  {name}: {takes}{f'; by default {default}' if default else '; must be given'}")
        if told:
            _line(f"      {told}")
    if found.snippet:
        _line(f"\nin YAML:\n\n{found.snippet}")


def _checked(file: Path, overrides: list[str], configs: list[Path]) -> str:
    """How much there is to run of a file that is fine.

    Raises:
        ConfigError: it is not; with every problem.
    """
    from plasticity.config.yaml_source import read

    if not configs and "experiment" in read(file).value:  # a key that only a sweep has
        from plasticity.launch.sweep import planned

        plan, points = planned(file, overrides, contracts())
        for each in dict.fromkeys(each for point in points for each in point.warnings):
            warn(each)
        if plan.sampler:
            trials, seeds = plan.sampler.trials, len(points[0].experiment.seeds)
            return f"a search of {trials} trials, {trials * seeds} cells at most"
        cells = sum(len(p.experiment.contenders()) * len(p.experiment.seeds) for p in points)
        return f"a sweep of {cells} cells ({len(points)} variations)"
    from plasticity.launch.validate import build_all

    experiment, tree = located(file, overrides, configs)
    stream, warnings = build_all(experiment, tree)
    for each in warnings:
        warn(each)
    return _told(experiment, stream)


def _told(experiment: "Experiment", stream: "Stream") -> str:
    """How much there is to run."""
    counts = {
        "networks": len(experiment.networks),
        "strategies": len(experiment.strategies),
        "seeds": len(experiment.seeds),
    }
    cells = len(experiment.contenders()) * max(1, len(experiment.seeds))
    factors = " x ".join(f"{n} {what}" for what, n in counts.items() if n > 1)
    many = f"{cells} cells ({factors})" if cells > 1 else "1 cell"
    length = "without end" if stream.steps is None else f"{stream.steps} steps"
    return f"{many}, {length}{' each' if cells > 1 else ''}"


def _schema(kind: str) -> str:
    """JSON schema of an experiment, a sweep, or a suite."""
    nouns = contracts()
    from plasticity.config.json_schema import json_schema

    if kind == "suite":
        from plasticity.bench.suite import Suite as Described
    elif kind == "sweep":
        from plasticity.launch.sweep import Sweep as Described
    else:
        from plasticity.launch.experiment import Experiment as Described
    return json.dumps(json_schema(Described, nouns), indent=1) + "\n"


def _write(path: Path, text: str) -> None:
    """Write a file, or say why not."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise refusal(f"{path}: expected a file that can be written, got: {why}") from None


def _line(text: str) -> None:
    """Print it as it is."""
    out.print(text, highlight=False, soft_wrap=True)
