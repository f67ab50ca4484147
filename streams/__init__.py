"""The decision path on Kafka: clicks in, one decision per click out.

Knows: Kafka, Faust, partitions, offsets, order, delivery.
Must not know: how features are counted, how a model scores, where settings come from.
"""
