"""Which releases go when there are too many, and how they go: never one that is in use or may be needed at once."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from contracts.errors import Misconfigured
from model.store import ModelStore

# By then whoever was writing is done, or dead.
_REMAINS_AFTER_MS: Final = 24 * 3_600_000


class Pruned(NamedTuple):
    """Releases that were removed, and folders of killed writers and removers."""

    removed: list[str]
    remains: list[str]


def superfluous(versions: Sequence[str], keep: int, protected: Collection[str]) -> list[str]:
    """All but the last `keep` in the order of their names, and but the protected ones: which to remove, oldest first.

    Names of `slidr retrain` and `slidr train` begin with their time. Protected ones are kept beside those.

    >>> superfluous(["a", "b", "c", "d"], 2, {"a"})
    ['b']

    Raises Misconfigured for fewer than one to keep.
    """
    if keep < 1:
        raise Misconfigured(f"{keep} releases to keep are too few: keep at least 1.")
    return [version for version in sorted(versions)[:-keep] if version not in protected]


def prune(models_uri: str, keep: int, protected: Collection[str], now_ms: int) -> Pruned:
    """Remove superfluous releases, each whole, its manifest first, and what is left of those killed at it a day ago.

    `protected`: the active release, the shadow and the last stable one, as the log of releases has them now. Raises
    Unavailable when the store does not answer; the same call goes on where that one stopped.
    """
    store = ModelStore(models_uri)
    removed = superfluous(store.versions(), keep, protected)
    for version in removed:
        store.remove(version)
    return Pruned(removed, store.remove_remains(now_ms - _REMAINS_AFTER_MS))
