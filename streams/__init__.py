"""First-party tunnels and schedules: a plugin with no privileges."""

from streams.belief_revision import BeliefRevision
from streams.bijection import Bijection
from streams.binding import Binding
from streams.change_point import ChangePoint
from streams.context_tree import ContextTree
from streams.filtering_hmm import FilteringHMM
from streams.hmm import HMM
from streams.markov import Markov
from streams.recall import Recall
from streams.recurrence import Recurrence
from streams.schedules import Abrupt, Recurring
from streams.sticky_markov import StickyMarkov
from streams.urn import Urn

__all__ = [
    "HMM",
    "Abrupt",
    "BeliefRevision",
    "Bijection",
    "Binding",
    "ChangePoint",
    "ContextTree",
    "FilteringHMM",
    "Markov",
    "Recall",
    "Recurrence",
    "Recurring",
    "StickyMarkov",
    "Urn",
]
