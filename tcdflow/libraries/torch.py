"""torch's private parts."""

from __future__ import annotations


def is_from_compiler(error: BaseException) -> bool:
    """Say whether an error comes from ``torch.compile`` and not from what was compiled.

    Private: the modules ``torch._dynamo`` and ``torch._inductor``, in which it is raised. In its place: a public base
    of their exceptions.
    """
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))
