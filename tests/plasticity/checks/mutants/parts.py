"""Detectors, optimizers and loggers that are wrong in one way each, and the checks that must say so."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from plasticity import Detector, Logger, Optimizer

from .tunnels import Mutant


class Rise(Detector):
    """Alarm where the loss is far above its slow mean; mutants override a little of it."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(float("nan"), dtype=torch.float64))

    def update(self, loss: float) -> Any:
        risen = loss > float(self.mean) + 1.0
        self.mean = self.mean.lerp(torch.tensor(loss, dtype=torch.float64), 0.1)
        if risen or not torch.isfinite(self.mean):
            self.mean = torch.tensor(loss, dtype=torch.float64)
        return risen


class Truthy(Rise):
    def update(self, loss: float) -> Any:
        return torch.tensor(super().update(loss))


class RefusesNaN(Rise):
    def update(self, loss: float) -> Any:
        if loss != loss:
            raise ValueError("lost")
        return super().update(loss)


class Deaf(Rise):
    def update(self, loss: float) -> Any:
        return False


class Nervous(Rise):
    def update(self, loss: float) -> Any:
        return bool(loss > 0.5)


class TwoSided(Rise):
    """As drift detectors are that watch for any change."""

    def update(self, loss: float) -> Any:
        fell = loss < float(self.mean) - 0.2
        return super().update(loss) or fell


class Gambler(Rise):
    def update(self, loss: float) -> Any:
        return super().update(loss) or bool(torch.rand(()) < 0.02)


class Forgetful(Rise):
    """Its mean is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        del self.mean
        self.mean = torch.tensor(float("nan"), dtype=torch.float64)


class Hoarder(Rise):
    def __init__(self) -> None:
        super().__init__()
        self.losses = list[float]()

    def update(self, loss: float) -> Any:
        self.losses.append(loss)
        return super().update(loss)


YES_OR_NO, RISES, QUIET = (
    "answers yes or no",
    "notices a rise",
    "is quiet where nothing rises",
)
SAME, RESUMES = "same losses same alarms", "resumes exactly"
DETECTORS: list[Mutant] = [
    (Truthy, {YES_OR_NO}),
    (RefusesNaN, {YES_OR_NO}),
    (Deaf, {RISES}),
    (Nervous, {QUIET}),
    (TwoSided, {QUIET}),
    (Gambler, {SAME, QUIET, RESUMES}),
    (Forgetful, {RESUMES}),
    (Hoarder, {"state is bounded"}),
]


class Plain(Optimizer):
    """Gradient descent with momentum; mutants override a little of it."""

    made: type[torch.optim.Optimizer] = torch.optim.SGD

    def __call__(self, params: list[nn.Parameter], lr: float | None) -> torch.optim.Optimizer:
        return torch.optim.SGD(params, lr or self.lr, momentum=0.5)


class OwnRate(Plain):
    def __call__(self, params: list[nn.Parameter], lr: float | None) -> torch.optim.Optimizer:
        return super().__call__(params, self.lr)


class TheFirstOnly(Plain):
    def __call__(self, params: list[nn.Parameter], lr: float | None) -> torch.optim.Optimizer:
        return super().__call__(params[:1], lr)


class Uphill(Plain):
    def __call__(self, params: list[nn.Parameter], lr: float | None) -> torch.optim.Optimizer:
        return torch.optim.SGD(params, lr or self.lr, maximize=True)


class Renamed(Plain):
    def __init__(self, momentum: float = 0.5):
        super().__init__()
        self.m = momentum


class Subclassed(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                self.edit(p)
        return super().step(closure)

    def edit(self, p: nn.Parameter) -> None:
        """What is wrong with it."""


class Noisy(Subclassed):
    def edit(self, p: nn.Parameter) -> None:
        if p.grad is not None:
            p.grad += 0.01 * torch.randn_like(p)


class Decays(Subclassed):
    def edit(self, p: nn.Parameter) -> None:
        p.data.mul_(0.999)


class Counts(Subclassed):
    """A rate that falls with a count that no state holds."""

    count = 0

    def edit(self, p: nn.Parameter) -> None:
        self.count += 1
        if p.grad is not None:
            p.grad /= 1 + self.count


class Makes(Plain):
    """A subclass of torch's."""

    cls: type[Subclassed] = Subclassed

    def __call__(self, params: list[nn.Parameter], lr: float | None) -> torch.optim.Optimizer:
        return self.cls(params, lr or self.lr, momentum=0.5)


class MakesNoisy(Makes):
    cls = Noisy


class MakesDecays(Makes):
    cls = Decays


class MakesCounts(Makes):
    cls = Counts


OPTIMIZERS: list[Mutant] = [
    (OwnRate, {"a strategys rate wins"}),
    (TheFirstOnly, {"moves these parameters"}),
    (Uphill, {"descends"}),
    (Renamed, {"arguments are kept"}),
    (MakesNoisy, {"steps are reproducible", "resumes exactly"}),
    (MakesDecays, {"leaves what has no gradient"}),
    (MakesCounts, {"resumes exactly"}),
]


class Lines(Logger):
    """A line of text for each row; mutants override a little of it."""

    strays, refuses = False, False

    def make(self, folder: Path) -> Any:
        from pytorch_lightning.loggers import CSVLogger

        strays, refuses = self.strays, self.refuses

        class Made(CSVLogger):
            def log_metrics(self, metrics: Any, step: int | None = None) -> None:
                if refuses and any("/" in key for key in metrics):
                    raise ValueError("no slashes")
                if strays:
                    Path("stray.txt").write_text("")
                super().log_metrics(metrics, step)

        return Made(folder)


class Strays(Lines):
    strays = True


class Refuses(Lines):
    refuses = True


class NoLogger(Lines):
    def make(self, folder: Path) -> Any:
        return super().make(folder).experiment


LIGHTNINGS, TAKES, FOLDER = (
    "makes a logger of lightnings",
    "takes what a run tells",
    "writes in its folder",
)
LOGGERS: list[Mutant] = [
    (NoLogger, {LIGHTNINGS, TAKES, FOLDER}),
    (Refuses, {TAKES, FOLDER}),
    (Strays, {FOLDER}),
]
SOUND: list[Any] = [Rise, Plain, Makes, Lines]
