"""The conformance kit: what a tunnel, a strategy or a network must satisfy, as functions that say what is wrong."""

from plasticity.checks.kit import Result, parametrize_with_checks, run
from plasticity.checks.named import named
from plasticity.checks.networks import NETWORK_CHECKS
from plasticity.checks.strategies import STRATEGY_CHECKS
from plasticity.checks.tunnels import TUNNEL_CHECKS
from plasticity.checks.world import loop, taught, world

__all__ = [
    "NETWORK_CHECKS",
    "STRATEGY_CHECKS",
    "TUNNEL_CHECKS",
    "Result",
    "loop",
    "named",
    "parametrize_with_checks",
    "run",
    "taught",
    "world",
]
