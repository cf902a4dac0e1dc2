"""The one way of a run: overrides, a cell, a record or an image become a request, which is prepared and executed.

Overrides (:meth:`Request.composed`), a plan's cell (:meth:`tcdflow.sweeps.plan.Plan.request`), and a record or image
(:meth:`tcdflow.rerun.source.Recorded.request`) all become a :class:`~tcdflow.request.request.Request`.
:class:`~tcdflow.request.prepare.Preparer` finds its files, hashes them, checks them against what is pinned and resolves
its size. ``check`` and ``lock`` end there, ``fetch`` downloads what is absent, the others execute. No torch is imported
before that.
"""
