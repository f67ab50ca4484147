"""What calibration is asked for: budget, floors, and how careful to be."""

from collections.abc import Sequence

from msgspec import Struct, field

from contracts.errors import Misconfigured


class Goals(Struct, frozen=True, kw_only=True):
    """The request. Shares are from 0 to 1.

    `fpr_budget`        largest overall FPR, to be shown with `confidence` for the `horizon_days` that follow
    `slice_fpr_cap`     largest FPR of any one slice; None stands for three times the budget
    `coverage_floor`    least robotic coverage of every slice, `coverage_floors` of slices by name, which go first
    `busy_over`         robotic coverage looks at sessions with more ad clicks than this in an hour
    `parents`           slice -> group -> ... -> the group of all, whose name has no parent
    `parent_weight`     a parent's curve counts like this many purchasing clicks of the slice's own
    `thin_below`        a slice with fewer purchasing clicks is judged by an upper bound of its FPR
    """

    fpr_budget: float
    slice_fpr_cap: float | None = None
    coverage_floor: float = 0.0
    coverage_floors: dict[str, float] = field(default_factory=dict)
    busy_over: float = 5.0
    parents: dict[str, str] = field(default_factory=dict)
    parent_weight: float = 200.0
    thin_below: int = 30
    confidence: float = 0.95
    horizon_days: float = 7.0

    @property
    def cap(self) -> float:
        """Largest FPR of any one slice."""
        return min(1.0, 3 * self.fpr_budget) if self.slice_fpr_cap is None else self.slice_fpr_cap

    def floor(self, name: str) -> float:
        """Least robotic coverage of a slice."""
        return self.coverage_floors.get(name, self.coverage_floor)

    def ancestors(self, name: str) -> list[str]:
        """The groups that a slice belongs to, the nearest first. Raises Misconfigured for a circle."""
        found: list[str] = []
        while name in self.parents:
            name = self.parents[name]
            if name in found:
                circle = " -> ".join([*found, name])
                raise Misconfigured(f"The parents of slices go in a circle: {circle}. One group must have no parent.")
            found.append(name)
        return found

    def check(self, slices: Sequence[str]) -> None:
        """Raises Misconfigured for goals that nothing could meet or that name slices nobody has."""
        shares = {
            "FPR budget": self.fpr_budget,
            "FPR cap of a slice": self.cap,
            "coverage floor": self.coverage_floor,
            **{f"coverage floor of {name}": floor for name, floor in self.coverage_floors.items()},
        }
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise Misconfigured(f"The {name} is {share:g}; expected a share from 0 to 1.")
        if not (
            0.5 <= self.confidence < 1 and self.horizon_days > 0 and self.parent_weight > 0 and self.busy_over >= 0
        ):
            raise Misconfigured(
                "Calibration needs a confidence from 0.5 to below 1, a horizon and a weight of parents above 0, and "
                f"`busy_over` of at least 0; found {self.confidence:g}, {self.horizon_days:g} days, "
                f"{self.parent_weight:g} and {self.busy_over:g}."
            )
        if unknown := sorted(set(self.coverage_floors) - set(slices)):
            raise Misconfigured(
                f"Coverage floors name slices that are not there: {', '.join(unknown)}. Known: {', '.join(slices)}."
            )
        tops = {([name, *self.ancestors(name)])[-1] for name in slices}
        if len(slices) > 1 and len(tops) > 1:
            raise Misconfigured(f"The slices' parents end in several groups, {', '.join(sorted(tops))}; expected one.")
