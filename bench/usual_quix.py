"""The same job on Quix Streams, as its documentation teaches: a function applied to the rows of a topic, one by one.

    USUAL_KAFKA=… USUAL_CLICKS=… USUAL_DECISIONS=… USUAL_REDIS=redis://… USUAL_RELEASE=<folder of a release> \
        USUAL_STATE=<folder> .venv-others/bin/python -m bench.usual_quix

Its settings are its own: at least once, a commit every 5 s, an idempotent producer that gathers records for 5 ms. Its
documentation names none that is quicker without state. It gives a function no batch of several keys: its windows are
by key. What is left out is what the Faust way leaves out.
"""

import os
from operator import itemgetter
from pathlib import Path
from typing import Any

import redis
from quixstreams import Application

from bench.usual_counts import Click, count
from bench.usual_model import Model


def main() -> None:
    """Count, score, decide, until SIGTERM."""
    counters = redis.Redis.from_url(os.environ["USUAL_REDIS"])
    model = Model(Path(os.environ["USUAL_RELEASE"]))
    app = Application(
        broker_address=os.environ["USUAL_KAFKA"],
        consumer_group="usual-quix",
        auto_offset_reset="earliest",
        auto_create_topics=False,
        state_dir=os.environ["USUAL_STATE"],
    )
    clicks = app.topic(os.environ["USUAL_CLICKS"], value_deserializer="json")
    decisions = app.topic(os.environ["USUAL_DECISIONS"], key_serializer="str", value_serializer="json")

    def decide(value: dict[str, Any]) -> dict[str, Any]:
        click = Click.of(value)
        return model.decide([click], count(counters, [click]))[0]

    app.dataframe(clicks).apply(decide).to_topic(decisions, key=itemgetter("click_id"))
    app.run()


if __name__ == "__main__":
    main()
