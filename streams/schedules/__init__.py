"""Schedules: which regime is live at each step."""
