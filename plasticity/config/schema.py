"""Schema: a constructor signature is the only schema; pydantic models made of it stay here."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import PurePath
from types import NoneType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic.errors import PydanticUserError
from pydantic.functional_validators import PlainValidator, WrapValidator
from pydantic.json_schema import WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from plasticity.config.plugins import full_name, known
from plasticity.config.recipe import (
    NOUNS,
    Form,
    Recipe,
    annotated,
    describe,
    form,
    parameters,
    show,
    unknown_key,
)
from plasticity.config.suggestions import another_kind, meant
from plasticity.config.yaml_source import Keys, Located
from plasticity.config.yaml_text import Spot, refusal
from plasticity.core.errors import ConfigError, Problem, did_you_mean, nearest, reason

R = TypeVar("R")
CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())
SHAPES = {"contract": dict, "object": dict, "dict": dict, "list": list}
REF = "class of the engine"


def parse(root: type[R], tree: Located, contracts: Sequence[type]) -> R:
    """The root object that the tree describes: its constructor called, contracts inside as recipes.

    In a signature, `Recipe[C]` and any contract class mean a mapping `{type: a concrete subclass}`;
    any other class with a constructor of its own means a mapping of that constructor's arguments.

    Args:
        root: the class of the whole file.
        tree: what `yamlfile.read` returned.
        contracts: the base classes whose subclasses are chosen by `type`; load plugins first.

    Raises:
        ConfigError: with every problem of the tree; of a file of another kind, which it is and what starts it.
    """
    file = tree.values[()].file if () in tree.values else ""
    keys = tree.value if isinstance(tree.value, dict) else ()
    if other := another_kind(keys, parameters(root), file):
        raise refusal(Spot(file), other)
    try:
        made = Schema(contracts, tree).make(root, tree.value)
    except ValidationError as error:
        wrong = [tree.problem(e["loc"], e["msg"], e["type"] == "key") for e in error.errors()]
        known = {problem.where for problem in tree.problems}  # what follows from these is no news
        new = [problem for problem in wrong if problem.where not in known]
        raise ConfigError([*tree.problems, *new]) from error
    if tree.problems:
        raise ConfigError(tree.problems)
    return made


class Unfit(Exception):
    """A constructor takes something that YAML cannot hold."""


class Schema:
    """Models of classes, each made at its first use: a broken class harms only its users."""

    def __init__(self, contracts: Sequence[type], tree: Located):
        self.contracts = tuple(contracts)
        self.tree, self.paths = tree, {id(part): path for path, part in _parts(tree.value, ())}
        self.models: dict[type, type[BaseModel]] = {}
        self.refs: dict[str, Form] = {}

    def annotation(self, hint: Any) -> Any:
        """What pydantic makes of an annotation, with validators that complain in human words."""
        words = describe(hint, self.contracts)
        kind, base, args, bounds = found = form(hint, self.contracts)
        if kind in ("contract", "object"):
            if not isinstance(base, type):
                raise Unfit(f"{base} is no class")
            name = base.__name__
            if self.refs.setdefault(name, found) != found:
                self.refs[name := full_name(base)] = found
            make = PlainValidator(partial(self.choose if kind == "contract" else self.make, base))
            return annotated[Any, make, WithJsonSchema({REF: name})]
        made, lax = base, isinstance(base, type) and issubclass(base, PurePath)
        near = [a for m in (hint, *args) if get_origin(m) is Literal for a in get_args(m)]
        check = partial(_expect, words, near, SHAPES.get(kind))
        if kind == "union":
            union: Any = Union
            made = union[tuple(map(self.annotation, args))]
            check = partial(self.either, args, check)
        elif kind == "list":
            item = self.annotation(args[0]) if args else Any
            made, lax = (tuple[item, ...], True) if base is tuple else (list[item], False)
        elif kind == "dict":
            if args[:1] not in ((), (str,)):
                raise Unfit("the keys of a mapping are strings in YAML")
            made = dict[str, self.annotation(args[1]) if args else Any]
        elif get_origin(base) is tuple:
            made, lax = tuple[tuple(map(self.annotation, args))], True
        elif base not in NOUNS and get_origin(base) is not Literal:
            try:
                TypeAdapter(base).json_schema()
            except PydanticUserError as error:
                raise Unfit(f"YAML cannot hold {words}") from error
        return annotated[(made, *([Strict(False)] if lax else []), *bounds, WrapValidator(check))]

    def model(self, cls: type) -> type[BaseModel]:
        """One field for each argument that a YAML may give.

        Raises:
            Unfit: one of them has a type that YAML cannot hold; the message names it.
        """
        if cls in self.models:
            return self.models[cls]
        what, made = "its constructor", dict[str, Any]()
        try:
            hints = get_type_hints(cls.__init__, include_extras=True)
            for name, parameter in parameters(cls).items():
                what = f"its argument {name!r}"
                if name == "type" and issubclass(cls, self.contracts):
                    raise Unfit("this key names the class")
                annotation = self.annotation(hints.get(name, Any))
                default = ... if parameter.default is parameter.empty else None
                made[f"x_{name}"] = (annotation, Field(default, alias=name))
            model = create_model(cls.__name__, __config__=CONFIG, **made)
        except Exception as error:
            text = f"{full_name(cls)} cannot be made from YAML: {what}: {reason(error)}"
            raise Unfit(text) from error
        return self.models.setdefault(cls, model)

    def arguments(self, cls: type, value: dict[str, Any]) -> dict[str, Any]:
        """The constructor arguments that a mapping gives.

        Raises:
            ValidationError: with every problem inside, in final words.
        """
        try:
            made = self.model(cls).model_validate(value)
        except Unfit as error:
            raise _fault(str(error)) from error
        except ValidationError as error:
            lines: list[InitErrorDetails] = []
            for e in error.errors():
                kind, loc, text = e["type"], e["loc"], e["msg"]
                if kind == "extra_forbidden":
                    kind, text = "key", unknown_key(str(loc[0]), cls)
                elif kind == "missing":
                    hint = get_type_hints(cls.__init__, include_extras=True).get(str(loc[0]), Any)
                    text = f"missing key {loc[0]!r}: expected {describe(hint, self.contracts)}"
                    loc = ()
                lines.append(_line(text, loc, "key" if kind == "key" else "value"))
            raise ValidationError.from_exception_data(cls.__name__, lines) from None
        got = made.model_fields_set
        return {k: getattr(made, f"x_{k}") for k in parameters(cls) if f"x_{k}" in got}

    def make(self, cls: type[R], value: Any) -> R:
        """The object that a mapping of constructor arguments describes."""
        if not isinstance(value, dict):
            raise _fault(f"expected a mapping, got {show(value)}")
        args = self.arguments(cls, value)
        try:
            return cls(**args)
        except (ValueError, TypeError) as error:
            text = reason(error)
            dotted, colon, rest = text.partition(": ")
            inside: Any = value
            for key in dotted.split(".") if colon else ("",):
                inside = inside.get(key) if isinstance(inside, dict) else None
            if inside is None:
                raise _fault(text) from error
            raise _fault(rest, *dotted.split(".")) from error

    def choose(self, base: type, value: Any) -> Recipe[Any]:
        """The recipe that a mapping `{type: name, ...}` describes."""
        classes = known(base, self.contracts)
        if not isinstance(value, dict) or "type" not in value:
            got = (
                f"the keys {', '.join(value)}" if value and isinstance(value, dict) else show(value)
            )
            names = self.names(classes)
            name = nearest(value, names) if isinstance(value, str) else None
            near = f" Did you mean {{type: {name}}}?" if name else ""
            known_names = f"{near} Known: {', '.join(names) or 'none'}"
            raise _fault(f"expected a mapping with a 'type' key, got {got}.{known_names}")
        name = value["type"]
        if not isinstance(name, str) or name not in classes:
            names, noun = self.names(classes), base.__name__.lower()
            wrong = f"unknown {noun} {show(name)}"
            if not isinstance(name, str):
                near, wrong = "", f"expected the name of a {noun}, got {show(name)}"
            elif other := [c for c in self.contracts if name in known(c, self.contracts)]:
                near = f" {name} is a {other[0].__name__.lower()}."
            else:
                away = " Is its package installed (pip install --editable FOLDER)?"
                near = did_you_mean(name, names) or away
            raise _fault(f"{wrong}.{near} Known: {', '.join(names) or 'none'}", "type")
        cls, *rivals = classes[name]
        if rivals:
            both = " and ".join(map(full_name, classes[name]))
            text = f"several classes are named {name!r}: {both}"
            raise _fault(f"{text}; rename one, or uninstall its package", "type")
        args = self.arguments(cls, {k: v for k, v in value.items() if k != "type"})
        return Recipe(cls, args, self.places(value))

    def places(self, value: dict[str, Any]) -> dict[str, Problem] | None:
        """Where a mapping stands, at "", and each of its values; None: in no file."""
        if (path := self.paths.get(id(value))) is None:
            return None
        return {key: self.tree.problem((*path, key) if key else path, "") for key in ("", *value)}

    def names(self, classes: dict[str, list[type]]) -> list[str]:
        """Those of the classes that a YAML can describe."""
        return [name for name, found in classes.items() if any(map(self.fits, found))]

    def fits(self, cls: type) -> bool:
        """Whether a YAML can describe the arguments of this class."""
        try:
            return bool(self.model(cls))
        except Unfit:
            return False

    def either(self, args: Any, check: Callable[..., Any], value: Any, handler: Any) -> Any:
        """The member of a union that has the value's shape, so that complaints are about that."""
        shape = type(value) if isinstance(value, dict | list) else None
        forms = {arg: form(arg, self.contracts) for arg in args if arg is not NoneType}
        fits = [arg for arg, found in forms.items() if SHAPES.get(found.kind) is shape]
        if len(forms) == 1 and next(iter(forms.values())).kind == "contract" and value is not None:
            shape, fits = dict, list(forms)  # nothing else can be meant: say which names there are
        if shape and len(fits) == 1:
            return TypeAdapter(self.annotation(fits[0]), config=CONFIG).validate_python(value)
        return check(value, handler)


def _parts(value: Any, path: Keys) -> Iterator[tuple[Keys, Any]]:
    """Every mapping and list of a tree, with its path."""
    if isinstance(value, dict | list):
        yield path, value
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _parts(child, (*path, key))


def _line(text: str, loc: Keys, kind: Literal["key", "value"] = "value") -> InitErrorDetails:
    """A problem in final words, at the key or at the value."""
    custom = PydanticCustomError(kind, "{text}", {"text": text})
    return InitErrorDetails(type=custom, loc=loc, input=None)


def _fault(text: str, *loc: str) -> ValidationError:
    """A problem in final words; `loc` is relative to the value that is being validated."""
    return ValidationError.from_exception_data("", [_line(text, loc)])


def _expect(words: str, near: Any, shape: type | None, value: Any, handler: Any) -> Any:
    """Pydantic's own validation, its complaint in these words, unless a part is to blame."""
    try:
        made = handler(value)
    except ValidationError as error:
        if shape and isinstance(value, shape) and all(e["loc"] for e in error.errors()):
            raise
    else:
        if not isinstance(value, bool) or isinstance(made, bool):  # Literal[1] takes True
            return made
    hint = meant(words, near, shape, value)
    raise _fault(f"expected {words}, got {show(value)}.{hint}".removesuffix("."))
