"""Bridges to other libraries: Avalanche, Hugging Face."""
