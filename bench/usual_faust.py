"""The same job as most would write it, to compare with: a Faust agent, an event at a time.

    USUAL_KAFKA=… USUAL_CLICKS=… USUAL_DECISIONS=… USUAL_REDIS=redis://… USUAL_RELEASE=<folder of a release> \
        USUAL_STATE=<folder> python -m bench.usual_faust worker

Kept as its documentation teaches: a Record, `async for`, a redis-py pipeline, a model run, `topic.send`. It leaves out
what SLIDR does besides: rules, the feature log, dead letters, hashed names, and counting each click exactly once when
something fails.
"""

import os
from pathlib import Path
from typing import Any

import faust
import redis.asyncio as redis

from bench.usual_counts import Features, queue, read
from bench.usual_model import Model


class Click(faust.Record, serializer="json"):
    """One click, as far as this job reads it."""

    click_id: str
    clicked_at_ms: int
    session_id: str
    logged_in: bool
    ip: str
    user_agent: str
    device: str
    campaign_id: str
    cost_micros: int
    user_id: str | None = None
    utc_offset_min: int | None = None


class Decision(faust.Record, serializer="json"):
    """The verdict."""

    click_id: str
    verdict: str
    score: float
    threshold: float
    cost_micros: int
    clicked_at_ms: int
    decided_at_ms: int


app = faust.App(
    "usual-faust",
    broker=f"kafka://{os.environ['USUAL_KAFKA']}",
    datadir=os.environ["USUAL_STATE"],
    topic_allow_declare=False,
    topic_disable_leader=True,
)
clicks = app.topic(os.environ["USUAL_CLICKS"], value_type=Click)
decisions = app.topic(os.environ["USUAL_DECISIONS"], value_type=Decision)
counters = redis.Redis.from_url(os.environ["USUAL_REDIS"])
model = Model(Path(os.environ["USUAL_RELEASE"]))


@app.agent(clicks)
async def decide(stream: Any) -> None:
    """Count, score, decide."""
    async for click in stream:
        (decision,) = model.decide([click], [await count(click)])
        await decisions.send(key=click.click_id, value=Decision(**decision))


async def count(click: Click) -> Features:
    """Count the click for all its entities, in one round trip; return its features by name."""
    async with counters.pipeline(transaction=False) as pipe:
        queue(pipe, click)
        return read(click, iter(await pipe.execute()))


if __name__ == "__main__":
    app.main()
