"""Tells trackers of runs: entries made from records, logged by a process of their own, remembered beside each run."""
