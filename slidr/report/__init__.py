"""The report of a release: curves, thresholds and what they do, as one page of HTML. Pure.

Knows: what calibration and evaluation found, charts.
Must not know: files, networks.
"""
