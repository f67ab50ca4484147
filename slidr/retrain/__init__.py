"""From history to a candidate, in steps that are kept: labels, network, scores, baselines, thresholds and a release.

    CANDIDATE/
        plan.json       what it is made from, pinned before anything else is done    `plan`
        labels/         labelled clicks: learned from, and judged by                 `steps.label`
        network/        model.onnx, and how it was trained                           `steps.learn`
        scored/         what it says of the clicks that judge it                     `steps.score`
        baselines/      how what it has to beat does on the same clicks              `contenders`
        calibration/    thresholds, and the report for people                        `steps.calibrate_scored`
        release/        what a worker can load                                       `candidate`
        candidate.json  what came of it all                                          `outcome`

Each is written whole or not at all, and is a function of those before it: who was killed goes on where it stopped, and
the same plan gives the same bytes. Knows: all of the offline rooms. Must not know: Kafka, Redis, the clock.
"""
