"""Run a program that we did not write, and intercept what it reports.

`__all__` names the modules that other rooms may use; the rest is the gate's own.
"""

__all__ = (
    "channels",
    "executing",
    "holding",
    "launcher",
    "listening",
    "observing",
    "process",
    "profiles",
    "recovering",
    "refusals",
    "requests",
    "reviewing",
    "surroundings",
    "trimming",
    "wrapper",
)
