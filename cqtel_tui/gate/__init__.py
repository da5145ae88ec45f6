"""Run a program that we did not write, and intercept what it reports."""

__all__ = [
    "channels",
    "executing",
    "holding",
    "launcher",
    "listening",
    "observing",
    "process",
    "profiles",
    "recognising",
    "recovering",
    "refusals",
    "requests",
    "reviewing",
    "shipped",
    "surroundings",
    "trimming",
    "wrapper",
]
