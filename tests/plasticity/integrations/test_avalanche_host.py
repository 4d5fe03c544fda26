"""Which plugins of Avalanche are let in, what they may keep, and what is said to the others."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from plasticity import recipe
from plasticity.checks import parametrize_with_checks
from plasticity.integrations.avalanche import AvalanchePlugin, to_avalanche
from plasticity.integrations.avalanche_host import ALLOWED, POLICIES

from ...calling import Call, refused
from .hosting import Scalars, taught, world

BOUNDED = [
    recipe(AvalanchePlugin, plugin=plugin, arguments=arguments)
    for plugin, arguments in {
        "EWCPlugin": {"mode": "online", "decay_factor": 0.9},
        "FromScratchTrainingPlugin": None,
        "MASPlugin": None,
        "RWalkPlugin": {"delta_t": 2},
        "ReplayPlugin": {"mem_size": 6, "storage_policy": "ReservoirSamplingBuffer"},
    }.items()
]
GROWING = [
    recipe(AvalanchePlugin, plugin=plugin) for plugin in ("EWCPlugin", "AGEMPlugin", "GEMPlugin")
]


@parametrize_with_checks(strategies=BOUNDED)
def test_conformance(subject: Any, check: Any) -> None:
    check(subject)


@parametrize_with_checks(
    strategies=GROWING,
    expected_failures={"check_memory_is_bounded": "it keeps something of every experience"},
)
def test_conformance_but_for_memory(subject: Any, check: Any) -> None:
    check(subject)


def test_every_allowed_plugin_is_checked():
    assert {made.args["plugin"] for made in (*BOUNDED, *GROWING)} == ALLOWED.keys()


@pytest.mark.parametrize(
    ("subject", "grows"),
    [(r, False) for r in BOUNDED] + [(r, True) for r in GROWING],
    ids=lambda value: value.args["plugin"] if not isinstance(value, bool) else "",
)
def test_what_grows_with_the_number_of_experiences(subject: Any, grows: bool):
    sizes = [
        _numbers({k: v for k, v in vars(guest).items() if k != "buffer_dliter"}, set())
        for guest in (taught(subject.build(), world(3 * n, 2, 3)).strategy.guest for n in (6, 12))
    ]
    assert (sizes[1] > 1.5 * sizes[0]) == grows
    assert grows or sizes[1] < sizes[0] + 100


def _numbers(value: Any, seen: set[int]) -> int:
    """Elements of all tensors and lists that are reached from here, whatever the objects between."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, torch.Tensor):
        return value.numel()
    inside = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list | tuple | set):
        return len(value) + sum(_numbers(each, seen) for each in inside)
    return _numbers(vars(value), seen) if hasattr(value, "__dict__") else 0


def test_a_memory_lets_go_of_the_experiences_that_its_rows_are_from():
    strategy = AvalanchePlugin("ReplayPlugin", {"mem_size": 6, "storage_policy": POLICIES[1]})
    made = taught(strategy, world(15, period=3))
    made.notify_shift()
    buffer = strategy.guest.storage_policy.buffer
    assert len(buffer) == 6
    assert sum(len(part) for part in buffer._flat_data._datasets) == 6


def test_an_experience_too_short_for_rwalk_is_no_silent_nan():
    with pytest.raises(ArithmeticError, match="needs `delta_t` updates"):
        taught(AvalanchePlugin("RWalkPlugin", {"delta_t": 30}), world())


def test_agem_stops_after_so_many_shifts_as_it_samples():
    short: Scalars = {"patterns_per_experience": 2, "sample_size": 2}
    taught(AvalanchePlugin("AGEMPlugin", short), world(18))
    with pytest.raises(ValueError, match="batch_size should be a positive"):
        taught(AvalanchePlugin("AGEMPlugin", short), world(24))


@pytest.mark.parametrize(
    ("yaml", "text"),
    [
        ("plugin: MIRPlugin", "MIRPlugin cannot be hosted: it needs one class per sequence"),
        ("plugin: DER", "DER cannot be hosted: it is a strategy that replaces the training epoch"),
        ("plugin: EwcPlugin", "tried to host 'EwcPlugin'. Did you mean 'EWCPlugin'? Known: AGEM"),
        ("plugin: EWCPlugin, arguments: {lambda: 1}", "unknown key 'lambda'. Did you mean 'ewc_l"),
        ("plugin: EWCPlugin, arguments: {mode: online}", "EWCPlugin refuses them: You need to set"),
        ("plugin: EWCPlugin, arguments: {mode: [online]}", "expected true or false or an integer"),
        ("plugin: ReplayPlugin, arguments: {batch_size: 3}", "batch_size would do nothing: the st"),
        ("plugin: ReplayPlugin, arguments: {storage_policy: x}", "expected ExperienceBalancedBuff"),
    ],
)
def test_refusals_have_reasons(yaml: str, text: str, call: Call):
    said = refused(call, "run", "good.yaml", f"--strategies.1={{type: AvalanchePlugin, {yaml}}}")
    assert text in said and said.count("\n") == 1


def test_a_yaml_names_it(call: Call):
    ewc = "{type: AvalanchePlugin, plugin: EWCPlugin, arguments: {ewc_lambda: 0.4}}"
    replay = "{type: AvalanchePlugin, plugin: ReplayPlugin}"
    done = call("run", "good.yaml", f"--strategies=[{ewc}, {replay}]")
    assert done.code == 0 and done.out.count("AvalanchePlugin") > 1
    assert "AvalanchePlugin" in call("list").out


def test_without_avalanche_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "avalanche"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "avalanche", None)
    needs: list[Callable[[], Any]] = [
        lambda: AvalanchePlugin("EWCPlugin"),
        lambda: to_avalanche(world()),
    ]
    for use in needs:
        with pytest.raises(ValueError, match=r"pip install 'plasticity-testbed\[avalanche\]'"):
            use()


def test_importing_the_bridge_does_not_import_avalanche():
    code = "import plasticity.integrations.avalanche, sys; print('avalanche' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
