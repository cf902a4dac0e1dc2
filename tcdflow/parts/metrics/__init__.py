"""Metrics, one a file; :mod:`tcdflow.spec.metrics` says what each has to be."""
