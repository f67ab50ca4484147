"""Pages with charts, as one HTML file that needs nothing but itself: marks, scales, markup, colours. Pure.

Must not know: what is drawn.
"""
