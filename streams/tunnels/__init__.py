"""Tunnels: tasks whose exact posterior predictive is known."""
