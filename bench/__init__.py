"""Benchmarks on real servers, of the shipped worker. Figures are ratios within one run, or CPU time.

Knows: everything.
Must not know: -. Nothing imports it.
"""
