"""What the product knows, a file a part: families of bases, schedulers, tasks, adapters, preprocessors, output formats
and metrics. No torch is imported at module level; :mod:`tcdflow.spec.registry` finds the files.
"""
