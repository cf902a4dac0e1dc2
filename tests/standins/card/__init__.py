"""Two cards that are none: ``torch.device("cuda")`` on machines without one, with their memory and the CPU's kernels.

It shows whether code that names a card is right: which tensors are where, what is called, moved, counted, given back.
It shows no speed, no bits of a card, no queue (all work is done when a call returns), and compiles nothing for a card.
It takes the place of torch's CUDA backend in a build of torch that has none, and needs a C++ compiler.

``python -m tests.standins.card`` builds it, and prints the folder that gives it to each Python which has that in
``PYTHONPATH``. Where torch has a CUDA backend of its own, or there is no compiler, it prints nothing.
"""
