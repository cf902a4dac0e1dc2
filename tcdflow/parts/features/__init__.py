"""Features of images, one kind a file; :mod:`tcdflow.spec.features` says what each has to be.

:mod:`.model` has those of models that a user names.
"""
