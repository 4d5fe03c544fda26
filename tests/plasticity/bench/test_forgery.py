"""Submit refuses what an adversary got through, and what is like it, by key."""

from pathlib import Path
from typing import Any

import pytest

from .forging import Tamper, edit, faults, forge


def second_seed(tree: Any) -> None:
    """Other ideals in all cells of a seed but the first, and skills that follow from them."""
    for cell in tree["cells"]:
        if cell["seed"] == 1:
            kl = cell["kl"]
            kl["amnesic"] *= 2
            cell["skill"] = (kl["amnesic"] - kl["model"]) / (kl["amnesic"] - kl["continual"])


def untuned(how: str, place: int = 1) -> Tamper:
    """A record that claims no tuning."""

    def tamper(tree: Any) -> None:
        tree["rates"][place] |= {"how": how, "lr": None, "skills": {}}
        for cell in tree["cells"]:
            if cell["strategy"] == tree["rates"][place]["strategy"]:
                cell["lr"] = None

    return tamper


FORGED = [
    (forge(-3.0, 1, 4), "cells.1.kl.model: expected a number of -1e-09 or more and up to"),
    (forge(1e40, 1), "cells.1.kl.model: expected"),
    (second_seed, "cells.3.kl.amnesic: expected"),
    (untuned("own"), "rates.1.how: expected tuned, got own"),
    (untuned("own", 2), "rates.2.how: expected tuned, got own"),
    (untuned("none", 2), "cells.2.trainable: expected none: its rate moves nothing, got"),
    (edit("strategies/L2Init/lr", 0.1), "rates.2.how: expected own, got tuned"),
    (untuned("none"), "rates.1.how: expected tuned, got none"),
    (
        edit("rates/1/skills", {"0.0001": None, "0.01": None}),
        "rates.1.skills.0.0001: expected a nu",
    ),
    (edit("rates/1/skills/0.0001", None), "rates.1.skills.0.0001: expected a number: only the"),
    (edit("rates/1/skills/0.01", 7.0), "rates.1.skills.0.01: expected at most"),
    (
        edit("rates/0/skills", {"0.0001": 0.1}),
        "rates.0.skills: expected none of a rate that is non",
    ),
    (lambda v: v["rates"].append(v["rates"][1]), "rates.3: Transformer Finetune is there 2 times"),
    (edit("rates/0/strategy", "Frosen"), "rates.0: Transformer Frosen is no part of the suite"),
    (edit("cells/1/ms_per_step", 1e-300), "cells.1.ms_per_step: expected a number of 0.01 or more"),
    (edit("cells/1/ms_per_step", 1e300), "cells.1.ms_per_step: expected"),
    (edit("cells/1/trainable", 1), "cells.1.trainable: expected"),
    (edit("cells/2/trainable", 0), "cells.2.trainable: expected some: it has a rate, got 0"),
    (edit("cells/2/memory_bytes", 2**51), "cells.2.memory_bytes: expected"),
    (edit("cells/1/recovery", 21), "cells.1.recovery: expected at most 20"),
    (edit("cells/1/diverged", 21), "cells.1.diverged: expected a step of 20, got 21"),
    (edit("cells/1/pretrained_gap", 0.0), "cells.1.pretrained_gap: expected"),
    (edit("cells/1/pretrained_gap", None), "cells.1.pretrained_gap: expected a number of bits"),
    (edit("cells/1/kl/uniform", 0.5), "cells.1.kl.uniform: expected"),
    (
        edit("cells/1/kl/amnesik", 0.5),
        "cells.1.kl.amnesik: expected nobody of this name. Did you m",
    ),
    (edit("cells/1/kl/model", ...), "cells.1.kl.model: expected a number of bits or null"),
    (edit("cells/1/seed", 10**400), "cells.1.seed: expected an integer of up to"),
    (edit("cells/1/seed", True), "cells.1.seed: expected an integer of 0 or more, got true"),
    (edit("environment/python", "3" * 2000), "environment.python: expected printable words of"),
    (edit("contenders/0", "L2\x1b[2J"), "contenders.0: expected printable words"),
    (edit("strategies/L2Init/type", "Frozen"), "strategies.L2Init.type: expected a type, with whi"),
    (
        lambda v: v.update(strategies=dict(reversed(v["strategies"].items()))),
        "strategies: expected Frozen, Finetune, L2Init, in this order",
    ),
    (lambda v: v.update(cells=v["cells"] * 5), "and 4 more"),
]
"""What an adversary got through, and what is like it."""


@pytest.mark.parametrize(("tamper", "said"), FORGED)
def test_a_forgery_is_refused_by_key(tamper: Tamper, said: str, made: Path, tmp_path: Path) -> None:
    told = faults(made, tmp_path, tamper)
    assert any(said in line for line in told), told
