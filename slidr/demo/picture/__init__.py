"""The picture of a run: one HTML page with inline SVG, which needs nothing but itself.

Knows: figures, scales, marks, colours.
Must not know: servers, topics, how any figure came about.
"""
