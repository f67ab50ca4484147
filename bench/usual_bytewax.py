"""The same job on Bytewax, as its documentation teaches: a dataflow from Kafka to Kafka with a map between.

    USUAL_KAFKA=… USUAL_CLICKS=… USUAL_DECISIONS=… USUAL_REDIS=redis://… USUAL_RELEASE=<folder of a release> \
        .venv-others/bin/python -m bytewax.run bench.usual_bytewax:flow

`flow` decides an event at a time. `flow_of_batches` does what its documentation advises where a call costs much: one
round trip and one model run for a whole batch, of 1,000 clicks at most, as its Kafka source hands them on by default.
One worker; nothing is kept for recovery. What is left out is what the Faust way leaves out.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bytewax.operators as op
import redis
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow

from bench.usual_counts import Click, count
from bench.usual_model import Model

Step = Callable[[Any, Callable[[list[Any]], list[Any]]], Any]


def flow() -> Dataflow:
    """An event at a time."""
    return _dataflow(lambda messages, decide: op.map("decide", messages, lambda message: decide([message])[0]))


def flow_of_batches() -> Dataflow:
    """As many at a time as the source hands on."""
    return _dataflow(lambda messages, decide: op.flat_map_batch("decide", messages, decide))


def _dataflow(step: Step) -> Dataflow:
    brokers = [os.environ["USUAL_KAFKA"]]
    counters = redis.Redis.from_url(os.environ["USUAL_REDIS"])
    model = Model(Path(os.environ["USUAL_RELEASE"]))

    def decide(messages: list[Any]) -> list[Any]:
        clicks = [Click.of(json.loads(message.value)) for message in messages]
        return [
            KafkaSinkMessage(decision["click_id"].encode(), json.dumps(decision).encode())
            for decision in model.decide(clicks, count(counters, clicks))
        ]

    made = Dataflow("usual-bytewax")
    clicks = kop.input("clicks", made, brokers=brokers, topics=[os.environ["USUAL_CLICKS"]])
    op.inspect("errors", clicks.errs).then(op.raises, "stop-on-error")
    kop.output("decisions", step(clicks.oks, decide), brokers=brokers, topic=os.environ["USUAL_DECISIONS"])
    return made
