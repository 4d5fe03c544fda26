"""Streams: tunnels to learn in."""

from streams.bijection import Bijection
from streams.binding import Binding
from streams.hmm import HMM
from streams.markov import Markov
from streams.recurrence import Recurrence
from streams.urn import Urn

__all__ = ["HMM", "Bijection", "Binding", "Markov", "Recurrence", "Urn"]
