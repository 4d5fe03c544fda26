"""First-party strategies: a plugin with no privileges."""

from strategies.agem import AGEM
from strategies.chain import Chain
from strategies.der import DER
from strategies.dream import Dream
from strategies.ewc import EWC
from strategies.finetune import Finetune
from strategies.frozen import Frozen
from strategies.gated import Gated
from strategies.gdumb import GDumb
from strategies.gpm import GPM
from strategies.joint import Joint
from strategies.lora import LoRA
from strategies.lora_pool import LoRAPool
from strategies.mir import MIR
from strategies.olora import OLoRA
from strategies.replay import Replay

__all__ = [
    "AGEM",
    "Chain",
    "DER",
    "Dream",
    "EWC",
    "Finetune",
    "Frozen",
    "Gated",
    "GDumb",
    "GPM",
    "Joint",
    "LoRA",
    "LoRAPool",
    "MIR",
    "OLoRA",
    "Replay",
]
