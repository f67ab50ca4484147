"""The command, the settings, the embedded servers and the wiring: the only folder that knows every other one.

Knows: settings, concrete classes, processes, the terminal.
Must not know: how a feature, a score or a verdict is computed.
"""
