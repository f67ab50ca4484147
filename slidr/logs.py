"""Where the lines of a long-running job go."""

import logging
import sys

import structlog


def log_to_stderr() -> None:
    """Lines for people on a terminal, JSON objects elsewhere."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
