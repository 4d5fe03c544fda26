"""Constrained numbers for constructor signatures: a bad value in a YAML is refused before anything runs."""

from typing import Annotated

from annotated_types import Ge, Gt, Le

Count = Annotated[int, Ge(1)]
"""How many: 1, 2, 3 ..."""
Natural = Annotated[int, Ge(0)]
"""How many, or none: 0, 1, 2 ..."""
Positive = Annotated[float, Gt(0)]
"""A real above 0."""
NonNegative = Annotated[float, Ge(0)]
"""A real of 0 or more."""
Fraction = Annotated[float, Ge(0), Le(1)]
"""A real in [0, 1]."""
