"""The main job on real servers while you watch: train, decide live traffic with two workers, prove conservation.

Knows: everything that a deployment consists of.
Must not know: how any of it is done.
"""
