"""Calibration: a threshold per slice that finds the most robots within what people may lose.

Knows: scored clicks, IVR-FPR curves, one convex program (cvxpy, in `program` alone).
Must not know: the model, how slices are named, files, the clock.
"""
