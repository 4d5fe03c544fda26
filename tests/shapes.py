"""What `--jaxtyping-packages` makes of a function, at a quarter of its cost, which was half of the suite's.

Types are checked by beartype in one pass through the function itself, where jaxtyping makes three through copies of it.
The memo of sizes is for those whose annotations name a shape. A function within another is compiled anew, and
decorated anew, whenever that other is called: it is left to pyright.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jaxtyping
from beartype import beartype

WHOLE = jaxtyping.jaxtyped


def jaxtyped(*, typechecker: Any) -> Callable[[Any], Any]:
    """As the import hook calls it, above each function and class of the packages."""

    def decorated(made: Any) -> Any:
        whole = WHOLE(typechecker=typechecker)
        if not inspect.isfunction(made):
            return whole(made)
        if "<locals>" in made.__qualname__:
            return made
        hints = made.__annotations__.values()
        if any(isinstance(hint, str) for hint in hints):  # jaxtyping knows how to read it
            return whole(made)
        shaped = any("jaxtyping." in repr(hint) for hint in hints)
        return WHOLE(beartype(made), typechecker=None) if shaped else beartype(made)

    return decorated


jaxtyping.jaxtyped = jaxtyped
