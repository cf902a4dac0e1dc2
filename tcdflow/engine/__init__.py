"""Runs specs on a warm pipeline. The engine takes a :class:`~tcdflow.spec.model.RunSpec` and its local files."""
