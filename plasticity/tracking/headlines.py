"""Headlines: the few metrics that a dashboard shows first, under short names; all others lie under `all/`."""

from collections.abc import Mapping
from typing import Any

STEP = "step"
"""Updates made so far: the x axis."""
OTHERS = "all/"
"""Prefix of whatever is no headline."""
ROW = {
    "stream/step": STEP,
    "window/skill": "skill",
    "window/kl/model": "kl",
    "cost/ms_per_step": "cost",
}
"""Key of `Stretches` -> headline, of each stretch."""
FINAL = {
    "skill": "skill",
    "gain": "gain",
    "kl/model": "kl",
    "forgetting/chaudhry2018": "forgetting",
    "frontier/excess": "frontier/excess",
    "cost/ms_per_step": "cost",
}
"""Formula id -> headline, of the whole stream."""


def of_row(row: Mapping[str, float]) -> dict[str, float]:
    """A stretch under the names that dashboards know: skill, kl and cost, and `all/<key>`.

    Args:
        row: of `Stretches`.
    """
    return {ROW.get(key, f"{OTHERS}{key}"): value for key, value in row.items()}


def of_summary(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The whole stream under the names that dashboards know: the headlines, and `all/final/<formula id>`.

    Args:
        summary: formula id -> number; what is undefined is left out.
    """
    return {
        FINAL.get(key, f"{OTHERS}final/{key}"): value
        for key, value in summary.items()
        if value is not None
    }
