"""File formats of images and animations, one a file; :mod:`tcdflow.spec.formats` says what each has to be."""
