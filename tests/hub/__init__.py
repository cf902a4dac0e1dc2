"""A stand-in of the Hugging Face hub on loopback, which the real ``huggingface_hub`` client talks to.

``StandInHub`` serves repositories made of bytes or of a folder, each a line of commits with branches, tags and pull
requests; ``hub.fail(...)`` makes it misbehave as a real one can. The fixture ``hub`` (:mod:`tests.hub.fixtures`)
points this process's client at it; ``hub.environ(home)`` gives the variables that point another process at it.
"""

from .faults import Fault, FaultKind
from .handler import TOKEN, Request
from .repos import Repo
from .server import StandInHub

__all__ = ["TOKEN", "Fault", "FaultKind", "Repo", "Request", "StandInHub"]
