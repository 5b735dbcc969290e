"""The pure core: what may happen, what follows from it, and why something waits.

Nothing here knows a clock, a file, a thread or a random number. Events come in,
commands go out, time is an argument.
"""
