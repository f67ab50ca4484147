"""Metrics by the table that declares them: name -> (what it is, labels)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge


class Declared:
    """Makes the metrics of a process, in a registry of their own."""

    def __init__(self, table: Mapping[Any, tuple[str, tuple[str, ...]]]) -> None:
        self.registry = CollectorRegistry()
        self._table = table

    def _counter(self, name: StrEnum) -> Counter:
        text, labels = self._table[name]
        return Counter(name.value.removesuffix("_total"), text, labels, registry=self.registry)

    def _gauge(self, name: StrEnum) -> Gauge:
        text, labels = self._table[name]
        return Gauge(name.value, text, labels, registry=self.registry)
