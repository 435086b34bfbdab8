"""Attacks on the store, and the counts of what they tried; `docs/testing.md` says what for.

One file an attack. ``verbs`` is the table of every verb that writes, which most of them go
through; ``perform`` is the process that does one of them and is attacked; ``counting`` is how
many of what was tried. Attacks are small here by default and full size under ``make proof``.
"""
