"""Clicks and purchases from files or from a simulation, sent to Kafka at a chosen pace.

Knows: files and how their columns map to events, how people and robots click, time schedules, a Kafka producer.
Must not know: decisions, features, models, Redis.
"""
