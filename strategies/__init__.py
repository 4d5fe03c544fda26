"""First-party strategies: a plugin with no privileges."""

from strategies.agem import AGEM
from strategies.chain import Chain
from strategies.continual_backprop import ContinualBackprop
from strategies.der import DER
from strategies.dream import Dream
from strategies.dynamic_evaluation import DynamicEvaluation
from strategies.ewc import EWC
from strategies.finetune import Finetune
from strategies.frozen import Frozen
from strategies.gated import Gated
from strategies.gdumb import GDumb
from strategies.gpm import GPM
from strategies.hare_tortoise import HareTortoise
from strategies.joint import Joint
from strategies.kalman import Kalman
from strategies.l2_init import L2Init
from strategies.lora import LoRA
from strategies.lora_pool import LoRAPool
from strategies.lwf import LwF
from strategies.mas import MAS
from strategies.mir import MIR
from strategies.olora import OLoRA
from strategies.online_laplace import OnlineLaplace
from strategies.redo import ReDo
from strategies.replay import Replay
from strategies.self_edit import SelfEdit
from strategies.shrink_perturb import ShrinkPerturb
from strategies.spectral import Spectral
from strategies.synaptic_intelligence import SI
from strategies.upgd import UPGD

__all__ = [
    "AGEM",
    "Chain",
    "ContinualBackprop",
    "DER",
    "Dream",
    "DynamicEvaluation",
    "EWC",
    "Finetune",
    "Frozen",
    "Gated",
    "GDumb",
    "GPM",
    "HareTortoise",
    "Joint",
    "Kalman",
    "L2Init",
    "LoRA",
    "LoRAPool",
    "LwF",
    "MAS",
    "MIR",
    "OLoRA",
    "OnlineLaplace",
    "ReDo",
    "Replay",
    "SelfEdit",
    "ShrinkPerturb",
    "SI",
    "Spectral",
    "UPGD",
]
