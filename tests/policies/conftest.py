"""Puts `policy_samples` within reach of every test below."""
