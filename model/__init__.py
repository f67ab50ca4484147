"""The model: weak labels, training, ONNX, the release format, scoring and the verdict.

Knows: the feature table, torch (training and export only), ONNX Runtime, the release folder.
Must not know: Kafka, Redis, where features come from, what a rule says, the clock.
"""
