"""The conversation: dialects of a small language, answered by execution."""
