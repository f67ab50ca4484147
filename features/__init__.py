"""Counters of accounts, sessions, campaigns, IPs and IP + user agents, and the feature vector made from them.

Knows: sliding windows, distinct sketches, the bytes of a state, Redis.
Must not know: Kafka, the model, the rules, the clock (time is the clicks' own).
"""
