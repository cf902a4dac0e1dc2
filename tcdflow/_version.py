"""The one place where the version is written: packaging, ``tcdflow.__version__`` and records read it here."""

__version__ = "0.1.0"
