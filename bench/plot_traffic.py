"""One picture of simulated beside real clicks."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.compare_traffic import Sample, clicks_per_s, gaps, ip_shares, per_entity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Samples = dict[str, Sample]
Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
# Points a curve: enough for the eye, few enough for a file that belongs into a repository.
_POINTS = 120
_AT_LEAST = "share with at least so many"


def plot(samples: Samples, path: Path) -> None:
    """Write the picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    # The same samples, the same bytes.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "slidr", "font.size": 8}):
        figure, axes = pyplot.subplots(2, 3, figsize=(11, 6), layout="constrained")
        _by_minute(axes[0, 0], samples)
        _curves(axes[0, 1], "clicks of a user", _AT_LEAST, samples, lambda s: _tail(per_entity(s.user)))
        _curves(
            axes[0, 2],
            "clicks of a session (real: of a user)",
            _AT_LEAST,
            samples,
            lambda s: _tail(per_entity(s.session)),
        )
        _curves(
            axes[1, 0], "seconds to the same user's next click, + 1", _AT_LEAST, samples, lambda s: _tail(gaps(s) + 1)
        )
        _curves(axes[1, 1], "rank of the IP", "its share of all clicks", samples, _by_rank)
        _curves(
            axes[1, 2],
            "seconds from click to purchase (real: installation), + 1",
            _AT_LEAST,
            samples,
            lambda s: _tail(s.delays_s + 1),
        )
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)


def _by_minute(axes: "Axes", samples: Samples) -> None:
    for name, sample in samples.items():
        rates = clicks_per_s(sample)[:-1]
        axes.plot(range(len(rates)), rates, label=name)
    axes.set(xlabel="minute", ylabel="clicks/s", ylim=(0, None))
    axes.legend()


def _curves(axes: "Axes", xlabel: str, ylabel: str, samples: Samples, curve_of: Callable[[Sample], Curve]) -> None:
    for name, sample in samples.items():
        axes.loglog(*curve_of(sample), label=name)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend()


def _tail(values: npt.NDArray[np.int64]) -> Curve:
    """Share of values that are at least x, at x evenly spaced on a logarithmic axis."""
    ordered = np.sort(values)
    points = np.unique(np.geomspace(1, ordered[-1], _POINTS).astype(np.int64))
    return points.astype(float), 1 - np.searchsorted(ordered, points, side="left") / len(ordered)


def _by_rank(sample: Sample) -> Curve:
    shares = ip_shares(sample)
    ranks = np.unique(np.geomspace(1, len(shares), _POINTS).astype(np.int64))
    return ranks.astype(float), shares[ranks - 1]
