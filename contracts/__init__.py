"""What crosses between the parts: events, the feature table, topics, ports, errors.

Knows: names, types, units, limits.
Must not know: any other folder of this project, a server, the clock.
"""
