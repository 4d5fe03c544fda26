"""The frontier's record: after every stretch, what the exact mixtures lose on the live regime and on fresh latents."""

import numpy as np
import pytorch_lightning as pl

from plasticity.core.predictors import FRONTIER
from plasticity.engine.datamodule import StreamDataModule
from plasticity.engine.prequential import Prequential
from plasticity.engine.stopping import Unending
from plasticity.observers.frontier import losses
from plasticity.results.store import Cell


class FrontierRecorder(pl.Callback):
    """One row for each stretch after which a regime is live whose latent is held, if its observers have evidence.

    It depends on the world alone, and stands beside the learner's probes of the same step.

    Args:
        cell: where to.
        data: whose continual observer knows the regimes.
    """

    def __init__(self, cell: Cell, data: StreamDataModule):
        self.cell, self.data = cell, data
        self._probes = dict(zip(data.stream.probed, data.stream.keyed_probes(), strict=True))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the row, before the stretch is checkpointed."""
        assert isinstance(pl_module, Prequential)
        regime, step = pl_module.records[-1].regime, pl_module.learner.step + 1
        with Unending(lambda: f"where the frontier is measured at step {step}"):
            bits = losses(self.data.reference, regime, self._probes)
        if bits is not None:
            fresh = -1 - self.data.stream.tunnel_index(regime)
            head = {"regime": regime, "fresh": fresh}
            row = {"step": np.array([step])} | {k: np.array([v], np.int32) for k, v in head.items()}
            row |= {name: np.array([value]) for name, value in zip(FRONTIER, bits, strict=True)}
            self.cell.frontier.write(trainer.current_epoch, row)
