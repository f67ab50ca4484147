"""Where SLIDR keeps what outlives a command: downloads, and which servers are up."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """Downloads that may be deleted at any time: `SLIDR_CACHE_DIR`, else `~/.cache/slidr`."""
    return Path(os.environ.get("SLIDR_CACHE_DIR") or Path.home() / ".cache" / "slidr").expanduser()


def state_dir() -> Path:
    """What is going on on this machine, per user: `$XDG_STATE_HOME/slidr`, else `~/.local/state/slidr`."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state").expanduser() / "slidr"
