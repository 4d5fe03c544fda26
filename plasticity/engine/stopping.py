"""Stopping: what Lightning would take for the end of a loop is an error as any other."""

from collections.abc import Callable
from types import TracebackType


class Unending:
    """A context in which a StopIteration of a plugin, or a GeneratorExit, ends no loop around it.

    (No generator may do this: Python lets a StopIteration pass through those of contextlib as it is.)

    Args:
        where: tells what was going on.

    Raises:
        RuntimeError: there was one; names it, and what was going on.
    """

    def __init__(self, where: Callable[[], str]):
        self.where = where

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Tell it apart from an end."""
        if isinstance(error, StopIteration | GeneratorExit):
            text = f"a {type(error).__name__} {self.where()}, which would end the loop"
            raise RuntimeError(text) from error
