"""JSON schema of a YAML, for completion and checks in an editor."""

import json
import re
from collections.abc import Sequence
from inspect import cleandoc
from typing import Any

from plasticity.config.plugins import known
from plasticity.config.recipe import parameters, plain
from plasticity.config.schema import REF, Schema
from plasticity.config.yaml_source import Located
from plasticity.core.errors import one_line


def json_schema(root: type, contracts: Sequence[type]) -> dict[str, Any]:
    """JSON schema of the file, for an editor: names, types, bounds, defaults, docstrings."""
    schema = Schema(contracts, Located(None))
    definitions: dict[str, Any] = {}
    whole = _document(schema, root)
    while todo := sorted(schema.refs.keys() - definitions.keys()):
        for name in todo:
            kind, base, *_ = schema.refs[name]
            definitions[name] = (
                _choices(schema, base) if kind == "contract" else _document(schema, base)
            )
    text = json.dumps(whole | {"$defs": definitions})
    return json.loads(text.replace(f'"{REF}": "', '"$ref": "#/$defs/'))


def told(cls: type) -> dict[str, str]:
    """What the docstrings of a class and of its ancestors say of each argument."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        text = cleandoc(vars(each).get("__doc__") or "")
        section = (re.search(r"^Args:\n((?: .*\n?|\n)*)", text, re.M) or ["", ""])[1]
        found |= dict(re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section, re.M))
    return {name: one_line(words) for name, words in found.items()}


def _document(schema: Schema, cls: type, tag: str | None = None) -> dict[str, Any]:
    """JSON schema of one class, from its signature and docstring."""
    made = schema.model(cls).model_json_schema()
    words = told(cls)
    properties: dict[str, Any] = made.setdefault("properties", {})
    for name, parameter in parameters(cls).items():
        item = properties[name]
        del item["title"]
        if name in words:
            item["description"] = words[name]
        if parameter.default is not parameter.empty:
            item["default"] = plain(parameter.default)
    said = one_line(cleandoc(cls.__doc__ or "").partition("\n\n")[0])
    if tag:
        properties["type"] = {"const": tag, "title": tag, "description": said}
        made["required"] = ["type", *made.get("required", [])]
    return made | {"description": said}


def _choices(schema: Schema, base: type) -> dict[str, Any]:
    """JSON schema of a contract: one of its concrete classes, told apart by `type`."""
    found = [(k, c) for k, v in known(base, schema.contracts).items() for c in v if schema.fits(c)]
    names = sorted({name for name, _ in found})
    snippets = [
        {"label": name, "body": name} for name in names
    ]  # what completes, and checks nothing
    named = {"title": base.__name__, "defaultSnippets": snippets}
    some = [_document(schema, cls, name) for name, cls in found]
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": named},
        "anyOf": some,
    }
