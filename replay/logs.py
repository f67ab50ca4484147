"""Feature log and decisions as one log each, whether Kafka still holds a record or only the archive does.

    feature-log[0]     0 ........ 199 | 200 ......... 420      Kafka has expired everything before 200
    read from          the archive    | Kafka                  the same offsets, the same rows, each once

What Kafka holds is asked again where the archive's part ends: more may have expired since the plan, or meanwhile.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer

from archive.commits import Source
from archive.log_order import LOG_OFFSET
from archive.log_view import LogView
from archive.reader import ArchiveReader
from billing.log import Stretch
from contracts.errors import Misconfigured, Refused
from contracts.replay import LogRange, Span
from contracts.topics import Topic, topic_name
from replay.reading import held_in
from replay.rows import MOST_ROWS, Rows, read_rows, within
from streams.topic_admin import TopicAdmin


class Logs:
    """The two logs of a deployment; `archive_uri` as in SLIDR_ARCHIVE_URI, "" for none.

    Raises Misconfigured for an archive of another topic, and what `ArchiveReader` does. The archive is not looked at
    while Kafka holds what is asked for.
    """

    def __init__(self, kafka: Mapping[str, Any], prefix: str, archive_uri: str = "") -> None:
        self.kafka = kafka
        self.archive_uri = archive_uri
        self._prefix = prefix
        self._views: dict[Topic, LogView] = {}

    def name(self, topic: Topic) -> str:
        """The topic in Kafka."""
        return topic_name(topic, self._prefix)

    def view(self, topic: Topic, *, anew: bool = False) -> LogView | None:
        """What is archived of a topic, as of the first call or, if told to, of now; None if nothing is."""
        if not self.archive_uri:
            return None
        if anew or topic not in self._views:
            self._views[topic] = self._checked(topic)
        view = self._views[topic]
        return view if view.topic_id else None

    def lacking(self, topic: Topic, partition: int, first: int, end: int) -> list[Source]:
        """Records that are not in the archive; it is looked at once more before that is said."""
        for anew in (False, True):
            view = self.view(topic, anew=anew)
            lost = view.lacking(partition, first, end) if view else [Source(partition, first, end)]
            if not lost or first >= end:
                return []
        return lost

    def rows(
        self, consumer: Consumer, partition: int, span: Span, most_rows: int = MOST_ROWS
    ) -> Iterator[Rows]:  # fmt: skip
        """Rows of the clicks of a span, or of a part of one, out of its records of the feature log; some at once.

        Raises Refused where records have expired that are not archived, and were not left out by the plan.
        """
        name = self.name(Topic.FEATURE_LOG)
        at, last = span.log_first, span.first - 1
        while at < (end := min(span.log_end, held_in(consumer, name, partition).first)):
            for rows in self._archived(partition, span, Stretch(at, end), last, most_rows):
                yield rows
                last = max(last, rows.next_offset - 1)
            at = end
        yield from read_rows(
            consumer, name, partition, Stretch(at, span.log_end), Stretch(last + 1, span.end), most_rows
        )  # fmt: skip

    def _archived(self, partition: int, span: Span, log: Stretch, last: int, most_rows: int) -> Iterator[Rows]:
        for piece in without(log, span.missing):
            tables = self._holding(partition, piece).rows(partition, *piece)
            for part in (table.slice(at, most_rows) for table in tables for at in range(0, len(table), most_rows)):
                # The record may go on behind these rows.
                log_offset = part[LOG_OFFSET][-1].as_py()
                rows = within(part.drop_columns([LOG_OFFSET]), last, span.end, log_offset)
                last = max(last, rows.next_offset - 1)
                yield rows

    def _holding(self, partition: int, log: Stretch) -> LogView:
        """The archived feature log. Raises Refused if it lacks some of these records."""
        lost = self.lacking(Topic.FEATURE_LOG, partition, *log)
        view = self.view(Topic.FEATURE_LOG)
        if lost or view is None:
            raise Refused(
                f"{self.name(Topic.FEATURE_LOG)}[{partition}]: {listed(lost)} expired from Kafka since the plan was "
                f"made, and {self._archive} does not hold them. Check SLIDR_ARCHIVE_URI here, or plan again with "
                "--allow-gaps to replay what is left."
            )
        return view

    @property
    def _archive(self) -> str:
        return f"the archive {self.archive_uri}" if self.archive_uri else "no archive"

    def _checked(self, topic: Topic) -> LogView:
        view = ArchiveReader(self.archive_uri).log(topic)
        found = TopicAdmin(dict(self.kafka)).describe(self._prefix)[topic]
        if view.topic_id and found and found.topic_id != view.topic_id:
            raise Misconfigured(
                f"The archive {self.archive_uri} holds another {self.name(topic)} (id {view.topic_id}) than Kafka "
                f"(id {found.topic_id}): the topic was made anew, and offsets mean other records. Replay what Kafka "
                "holds, or set SLIDR_ARCHIVE_URI to the archive of this topic."
            )
        return view


def without(log: Stretch, missing: Sequence[LogRange]) -> list[Stretch]:
    """What is left of a stretch, in order. Pure."""
    pieces, at = [], log.first
    for lost in sorted(missing, key=lambda lost: lost.first):
        pieces.append(Stretch(at, min(lost.first, log.end)))
        at = max(at, lost.end)
    return [piece for piece in (*pieces, Stretch(at, log.end)) if piece.first < piece.end]


def listed(lost: Sequence[Source]) -> str:
    """Records as they are named to people."""
    return "records " + ", ".join(f"{one.first} to {one.end - 1}" for one in lost)
