"""What the run shows, in sentences made from its figures. Pure."""

from slidr.demo.kinds import Caught
from slidr.demo.picture.figures import rate_points
from slidr.demo.picture.story import Story
from traffic.robots import HUMAN


def headline(story: Story) -> str:
    """What came of it all."""
    outcome, robots = story.outcome, robots_of(story)
    return (
        f"SLIDR invalidated {percent(robots.share)} of {robots.clicks:,} clicks by robots, and "
        f"{percent(outcome.fpr)} of {outcome.purchasing_clicks:,} clicks that led to purchases"
    )


def robots_of(story: Story) -> Caught:
    """All robots' live clicks."""
    return sum((found for kind, found in story.outcome.by_kind.items() if kind != HUMAN), Caught())


def setting(story: Story) -> str:
    """How the run was made."""
    backlog = story.outcome.clicks - story.outcome.live_clicks
    return (
        f"A release trained on a simulated week (version {story.outcome.model_version}) decided a backlog day of "
        f"{backlog:,} clicks in {story.catch_up_s:.0f} s, then a live day of "
        f"{story.outcome.live_clicks:,} clicks within {story.live_s:.0f} s: one hour of the charts passed in "
        f"{story.live_s / 24:.1f} s. {story.workers} workers, "
        f"{story.partitions} partitions, real Kafka and Redis, {story.outcome.seconds:.0f} s in all, seed "
        f"{story.outcome.seed}."
    )


def tiles(story: Story) -> list[tuple[str, str]]:
    """The key figures, each with what it is."""
    outcome = story.outcome
    return [
        (f"{outcome.clicks:,}", "clicks decided, both days"),
        (percent(outcome.ivr), "of live clicks invalidated (IVR), attacks included"),
        (
            percent(outcome.fpr),
            f"of purchasing clicks invalidated (FPR): {outcome.fpr_low:.1%} to {outcome.fpr_high:.1%} with 95 % "
            f"confidence, budget {outcome.fpr_budget:.0%}",
        ),
        (f"{outcome.in_worker_ms_p50:.1f} ms", f"median in-worker latency; p99.9 {outcome.in_worker_ms_p999:.1f} ms"),
        (
            f"{outcome.missing} / {outcome.duplicates} / {outcome.conflicting}",
            "clicks missing, decisions duplicate, decisions conflicting",
        ),
    ]


def attacks(story: Story) -> str:
    """Above the lanes."""
    return f"{len(story.attacks)} attacks came one after another, each by robots of another kind"


def rates(story: Story) -> str:
    """Above the rates."""
    peak = max((value for _, value in rate_points(story.live_samples, "decided")), default=0.0)
    return f"Up to {peak:,.0f} clicks a second were decided, at the rhythm of a day"


def lag(story: Story) -> str:
    """Above the lag."""
    most = max((sample.lag for sample in story.live_samples), default=0)
    return f"At most {most:,} clicks at a time had no decision yet"


def latency(story: Story) -> str:
    """Above the latency."""
    outcome = story.outcome
    return (
        f"Half of all clicks were decided within {outcome.in_worker_ms_p50:.1f} ms, 99 % within "
        f"{outcome.in_worker_ms_p99:.1f} ms of being read"
    )


def verdicts(story: Story) -> str:
    """Above the small charts."""
    people = story.outcome.by_kind.get(HUMAN, Caught())
    return (
        f"Invalidated were {percent(people.share)} of people's clicks and {percent(robots_of(story).share)} of robots'"
    )


def people(story: Story) -> str:
    """Why people's clicks were invalidated."""
    outcome = story.outcome
    invalid = outcome.by_kind.get(HUMAN, Caught()).invalid
    return (
        f"{outcome.people_double_clicks:,} of people's {invalid:,} invalid clicks only repeat another: the second "
        "clicks of double clicks, which no advertiser should pay for."
    )


def kind_title(story: Story, kind: str) -> str:
    """Above one small chart."""
    found = story.outcome.by_kind[kind]
    return f"{'people' if kind == HUMAN else kind}: {percent(found.share)} of {found.clicks:,} invalid"


def recall(story: Story) -> str:
    """Above the table."""
    ranked = sorted(story.outcome.recall.items(), key=lambda item: item[1])
    if not ranked:
        return "There were no robots"
    (worst, low), (best, high) = ranked[0], ranked[-1]
    return f"Caught most of: {best} ({high:.1%}). Caught least of: {worst} ({low:.1%})"


def false_positives(story: Story) -> str:
    """The FPR with its interval, beside the budget."""
    outcome = story.outcome
    inside = "within" if outcome.fpr is None or outcome.fpr <= outcome.fpr_budget else "beyond"
    return (
        f"False positives: {outcome.purchasing_invalid:,} of {outcome.purchasing_clicks:,} clicks that led to a "
        f"purchase were invalidated, {percent(outcome.fpr)} (95 % interval {outcome.fpr_low:.1%} to "
        f"{outcome.fpr_high:.1%}), "
        f"{inside} the budget of {outcome.fpr_budget:.0%}."
    )


def conservation(story: Story) -> str:
    """Whether every click has its one decision."""
    outcome = story.outcome
    counts = f"{outcome.clicks:,} clicks, {outcome.decisions:,} effective decisions"
    if outcome.conserved:
        return f"Conservation holds: {counts}, none missing, none twice, none conflicting"
    return (
        f"Conservation is broken: {counts}, {outcome.missing} missing, {outcome.duplicates} twice, "
        f"{outcome.conflicting} conflicting"
    )


def machine(story: Story) -> list[tuple[str, str]]:
    """Names and values."""
    return list(story.machine.items())


def percent(share: float | None) -> str:
    """To a tenth."""
    return "nothing measured" if share is None else f"{share:.1%}"
