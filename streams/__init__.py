"""First-party tunnels and schedules: a plugin with no privileges."""

from streams.bijection import Bijection
from streams.binding import Binding
from streams.hmm import HMM
from streams.markov import Markov
from streams.recurrence import Recurrence
from streams.schedules import Abrupt, Recurring
from streams.urn import Urn

__all__ = ["HMM", "Abrupt", "Bijection", "Binding", "Markov", "Recurrence", "Recurring", "Urn"]
