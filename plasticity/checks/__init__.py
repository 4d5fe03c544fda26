"""The conformance kit: what each kind of plugin must satisfy, as functions that say what is wrong."""

from plasticity.checks.detectors import DETECTOR_CHECKS
from plasticity.checks.kit import Result, parametrize_with_checks, run
from plasticity.checks.loggers import LOGGER_CHECKS
from plasticity.checks.metrics import METRIC_CHECKS
from plasticity.checks.named import named
from plasticity.checks.networks import NETWORK_CHECKS
from plasticity.checks.optimizers import OPTIMIZER_CHECKS
from plasticity.checks.schedules import STREAM_CHECKS
from plasticity.checks.strategies import STRATEGY_CHECKS
from plasticity.checks.tunnels import TUNNEL_CHECKS
from plasticity.checks.world import loop, taught, world

__all__ = [
    "DETECTOR_CHECKS",
    "LOGGER_CHECKS",
    "METRIC_CHECKS",
    "NETWORK_CHECKS",
    "OPTIMIZER_CHECKS",
    "STRATEGY_CHECKS",
    "STREAM_CHECKS",
    "TUNNEL_CHECKS",
    "Result",
    "loop",
    "named",
    "parametrize_with_checks",
    "run",
    "taught",
    "world",
]
