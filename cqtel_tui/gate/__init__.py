"""Run a program that we did not write, and intercept what it reports."""
