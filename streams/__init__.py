"""First-party tunnels and schedules: a plugin with no privileges."""

from streams.adversarial import Adversarial
from streams.anomaly import Revolution
from streams.belief_revision import BeliefRevision
from streams.bijection import Bijection
from streams.binding import Binding
from streams.chance import Growing, Hazard
from streams.change_point import ChangePoint
from streams.compositional import Compositional
from streams.context_tree import ContextTree
from streams.conversation import Conversation
from streams.conversations import Conversations
from streams.counterfactual import CounterfactualSCM
from streams.drifting import Cyclic, Gradual
from streams.filtering_hmm import FilteringHMM
from streams.from_file import FromFile
from streams.hmm import HMM
from streams.laws import Laws
from streams.markov import Markov
from streams.nested import Nested
from streams.padded import Padded
from streams.recall import Recall
from streams.recurrence import Recurrence
from streams.revised import Revised
from streams.schedules import Abrupt, Recurring
from streams.scm import SCM
from streams.sticky_markov import StickyMarkov
from streams.topics import Topics
from streams.urn import Urn

__all__ = [
    "HMM",
    "SCM",
    "Abrupt",
    "Adversarial",
    "BeliefRevision",
    "Bijection",
    "Binding",
    "ChangePoint",
    "Compositional",
    "ContextTree",
    "Conversation",
    "Conversations",
    "CounterfactualSCM",
    "Cyclic",
    "FilteringHMM",
    "FromFile",
    "Gradual",
    "Growing",
    "Hazard",
    "Laws",
    "Markov",
    "Nested",
    "Padded",
    "Recall",
    "Recurrence",
    "Recurring",
    "Revised",
    "Revolution",
    "StickyMarkov",
    "Topics",
    "Urn",
]
