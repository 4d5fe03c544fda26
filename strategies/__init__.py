"""First-party strategies: a plugin with no privileges."""

from strategies.chain import Chain
from strategies.ewc import EWC
from strategies.finetune import Finetune
from strategies.frozen import Frozen
from strategies.lora import LoRA
from strategies.replay import Replay

__all__ = ["Chain", "EWC", "Finetune", "Frozen", "LoRA", "Replay"]
