"""What the Faust apps of SLIDR have in common."""

import faust


class TablelessApp(faust.App):
    """A Faust app without tables."""

    def _create_directories(self) -> None:
        """None: they are for tables."""
