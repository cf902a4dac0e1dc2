from tests.sweep.conftest import at, engine, sweep

__all__ = ["at", "engine", "sweep"]
