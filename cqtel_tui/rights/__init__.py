"""Ask a collector what it has of you, and have it erased."""
