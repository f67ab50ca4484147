"""`slidr worker`: decide clicks."""

from typing import Annotated

import typer

SkipExpired = Annotated[
    bool,
    typer.Option(
        "--skip-expired",
        help="Go on behind clicks that expired before they were decided, and write the gap to the log. "
        "Without it such a gap is refused.",
    ),
]


def worker(skip_expired: SkipExpired = False) -> None:
    """Decide clicks until SIGTERM or Ctrl-C: then finish what is under way, commit, and leave the group.

    Several workers with the same SLIDR_GROUP share the partitions. Health and metrics: /healthz, /readyz and /metrics
    on SLIDR_METRICS_PORT.

    Example: SLIDR_METRICS_PORT=9465 slidr worker
    """
    from slidr.settings_source import load_settings
    from slidr.worker_process import NEEDED_SETTINGS, run_worker

    run_worker(load_settings(need=NEEDED_SETTINGS), skip_expired=skip_expired)
