"""Scaffold: a new plugin package, from the templates beside it; what is there is what can be made."""

import builtins
import keyword
import re
import shutil
from collections.abc import Collection
from contextlib import suppress
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

import plasticity
from plasticity.core.errors import ConfigError, Problem, did_you_mean

TEMPLATES = Path(str(files("plasticity.cli"))) / "templates"
"""A folder for each kind, and beside them what all have. `package` in a path is the package's name; `.template` is
dropped."""
SUFFIX, METRIC = ".template", "metric"
CAMEL, SNAKE = r"[A-Z][A-Za-z0-9]*", r"[a-z][a-z0-9]*(_[a-z0-9]+)*"


def kinds() -> list[str]:
    """What can be made."""
    return sorted(path.name for path in TEMPLATES.iterdir() if path.is_dir())


def names(name: str) -> tuple[str, str]:
    """Class and package: `SlowWeights` or `slow_weights` -> ("SlowWeights", "slow_weights").

    Raises:
        ConfigError: it is neither CamelCase nor snake_case, or a word of Python's.
    """
    if not re.fullmatch(f"{CAMEL}|{SNAKE}", name, re.ASCII):
        words = re.findall("[A-Za-z][A-Za-z0-9]*", name)
        near = f". Did you mean {'_'.join(words).lower()!r}?" if words else ""
        raise _refusal(name, f"expected CamelCase or snake_case of ASCII letters and digits{near}")
    cls, package = name, name
    if re.fullmatch(CAMEL, name):
        border = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
        package = re.sub(border, "_", name).lower()
    else:
        cls = "".join(word[0].upper() + word[1:] for word in name.split("_"))
    for word in (cls, package):
        if keyword.iskeyword(word):
            raise _refusal(name, f"expected another name, {word!r} is a word of Python's")
    return cls, package


def create(kind: str, name: str, folder: Path | None, taken: Collection[str]) -> Path:
    """Write a package that installs, passes its own tests, and is found by the testbed.

    Args:
        kind: one of `kinds()`.
        name: of the class or of the package, the other follows.
        folder: new or empty; null: here, named as the distribution.
        taken: names of such that there are already.

    Returns:
        The folder.

    Raises:
        ConfigError: the name is bad or taken; or the folder is in use, or cannot be written.
    """
    if kind not in kinds():
        text = f"expected {' or '.join(kinds())}.{did_you_mean(kind, kinds())}"
        raise _refusal(kind, text.removesuffix("."))
    cls, package = names(name)
    for known in taken:
        if known.lower() in (cls.lower(), package):
            raise _refusal(name, f"expected a new name, there is a {kind} {known!r} already")
    if (
        hasattr(plasticity, cls)
        or any(hasattr(builtins, each) for each in (cls, package))
        or package == "np"
    ):
        raise _refusal(name, f"expected a new name, {name!r} means something else already")
    if find_spec(package):
        raise _refusal(name, f"expected a new name, there is a module {package!r} already")
    distribution = package.replace("_", "-")
    words = {"Class": cls, "package": package, "distribution": distribution} | of_kind(kind)
    words |= {"subject": package if kind == METRIC else cls}
    to = folder or Path(distribution)
    try:
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise _refusal(str(to), "expected a new or empty folder, this one is in use")
        _write(kind, to, words)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise _refusal(str(to), f"expected a folder that can be written, got: {why}") from None
    return to


def of_kind(kind: str) -> dict[str, str]:
    """What templates that all have say of a kind: its entry point, where it is listed, and where its contract is."""
    group = {"strategy": "strategies"}.get(kind, f"{kind}s")
    lists, contract = "list  # names it", f"plasticity.{kind.capitalize()}"
    if kind == METRIC:
        lists, contract = "explain metric  # names it", "plasticity.metrics.tables.Tables"
    return {"kind": kind, "group": group, "lists": lists, "contract": contract}


def _write(kind: str, to: Path, words: dict[str, str]) -> None:
    """Every template of a kind and those that all have, filled in; all of them, or nothing is left behind."""
    texts: dict[Path, str] = {}
    own = (TEMPLATES / kind).rglob(f"*{SUFFIX}")
    for template in sorted([*own, *TEMPLATES.glob(f"*{SUFFIX}")]):
        source = TEMPLATES if template.parent == TEMPLATES else TEMPLATES / kind
        path = str(template.relative_to(source)).removesuffix(SUFFIX)
        filled = Template(template.read_text(encoding="utf-8")).substitute(words)
        texts[to / path.replace("package", words["package"])] = filled
    made = [path for path in (to, *to.parents) if not path.exists()]
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError:
        for path in made[-1:] or to.iterdir():  # it was new, or empty
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def _refusal(where: str, text: str) -> ConfigError:
    return ConfigError([Problem(where, text)])
