"""Run a program that we did not write, and hold what it reports."""
