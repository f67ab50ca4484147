"""Scores: equal to torch's, independent of the batch to the last bit, and finite whatever comes in."""

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import Misconfigured
from contracts.features import FEATURE_IDS
from contracts.ports import FloatMatrix
from model.network import RobotNetwork, probabilities
from model.release import Release, pass_through
from model.scorer import BLOCK_ROWS, OnnxScorer, PassThroughScorer, scorer_for

ROWS = 2048
RawFeatures = Callable[[int, int], FloatMatrix]


@pytest.fixture(scope="module")
def scorer(onnx_model: bytes) -> OnnxScorer:
    return OnnxScorer(onnx_model)


@pytest.fixture(scope="module")
def table(backward_features: RawFeatures) -> FloatMatrix:
    return backward_features(ROWS, 11)


def bits(scores: np.ndarray) -> list[int]:
    return scores.view(np.int32).tolist()


def test_scores_are_those_of_torch(scorer: OnnxScorer, network: RobotNetwork, table: FloatMatrix) -> None:
    scores = scorer.score(table)

    assert np.abs(scores - probabilities(network, table)).max() < 1e-5
    assert scores.std() > 0.01


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, ROWS), max_size=40), st.integers(0, ROWS - 1))
def test_a_score_has_the_same_bits_in_whatever_batch_it_is_computed(
    scorer: OnnxScorer, table: FloatMatrix, cuts: list[int], offset: int
) -> None:
    whole = bits(scorer.score(table))
    edges = sorted({offset, *(offset + cut for cut in cuts if offset + cut < ROWS), ROWS})

    parts = [scorer.score(table[start:end].copy()) for start, end in pairwise(edges)]

    assert bits(np.concatenate(parts)) == whole[offset:]


def test_every_row_alone_has_the_bits_of_the_whole(scorer: OnnxScorer, table: FloatMatrix) -> None:
    whole = bits(scorer.score(table))

    alone = [bits(scorer.score(table[i : i + 1]))[0] for i in range(ROWS)]

    assert alone == whole


def test_a_row_has_the_same_bits_at_every_place_of_a_block(scorer: OnnxScorer, table: FloatMatrix) -> None:
    rows = BLOCK_ROWS[scorer.provider]

    scores = [scorer.score(np.roll(table[:rows], shift, axis=0))[shift] for shift in range(rows)]

    assert len(set(bits(np.array(scores)))) == 1


def test_two_loads_of_a_model_give_the_same_bits(scorer: OnnxScorer, onnx_model: bytes, table: FloatMatrix) -> None:
    again = OnnxScorer(onnx_model)

    assert bits(again.score(table)) == bits(scorer.score(table))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_row_that_cannot_be_read_scores_zero_and_leaves_its_neighbours_alone(
    scorer: OnnxScorer, table: FloatMatrix, value: float
) -> None:
    broken = table[:100].copy()
    broken[40, 3] = value

    scores = scorer.score(broken)

    assert scores[40] == 0
    assert bits(np.delete(scores, 40)) == bits(np.delete(scorer.score(table[:100]), 40))


def test_absurdly_large_counts_still_give_a_probability(scorer: OnnxScorer, table: FloatMatrix) -> None:
    scores = scorer.score(np.full_like(table[:3], np.finfo(np.float32).max))

    assert ((scores >= 0) & (scores <= 1)).all()


def test_columns_gathered_from_a_wider_table_need_no_copy_by_the_caller(scorer: OnnxScorer, table: FloatMatrix) -> None:
    columns_first = np.asfortranarray(table[:70])

    assert bits(scorer.score(columns_first)) == bits(scorer.score(table[:70]))


def test_no_clicks_give_no_scores(scorer: OnnxScorer, table: FloatMatrix) -> None:
    assert scorer.score(table[:0]).shape == (0,)


def test_another_width_is_a_programming_error(scorer: OnnxScorer, table: FloatMatrix) -> None:
    with pytest.raises(ValueError, match="reads 53 features, found 52"):
        scorer.score(table[:, 1:])


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_bytes_that_are_no_model_are_refused_with_a_sentence(content: bytes) -> None:
    with pytest.raises(Misconfigured, match="cannot be used"):
        OnnxScorer(content)


def identity(shape: list[str | int], source: str = "features", target: str = "probability") -> bytes:
    """A graph that answers what it reads."""
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Identity", [source], [target])],
        "identity",
        [helper.make_tensor_value_info(source, onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(target, onnx.TensorProto.FLOAT, shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


@pytest.mark.parametrize("model", [identity(["n", 3]), identity(["n"]), identity(["n", 3], source="x")])
def test_a_graph_with_another_input_or_output_is_refused(model: bytes) -> None:
    with pytest.raises(Misconfigured, match=r"expected 'features' \(n, F\) and 'probability' \(n,\)"):
        OnnxScorer(model)


def test_a_graph_for_batches_of_one_size_is_refused(onnx_model: bytes) -> None:
    fixed = onnx.load_from_string(onnx_model)
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 7

    with pytest.raises(Misconfigured, match="cannot be used"):
        OnnxScorer(fixed.SerializeToString())


def test_a_release_whose_model_reads_other_features_is_refused(onnx_model: bytes) -> None:
    release = Release("v1", FEATURE_IDS[:5], np.arange(5), {}, b"{}", onnx_model, None)

    with pytest.raises(Misconfigured, match="lists 5 features and its model reads 53"):
        scorer_for(release)


def test_the_built_in_release_scores_nobody(table: FloatMatrix) -> None:
    scorer = scorer_for(pass_through())

    assert isinstance(scorer, PassThroughScorer)
    assert scorer.score(table).tolist() == [0.0] * ROWS


def test_loading_prints_nothing_even_for_a_model_that_is_not_tidy(onnx_model: bytes) -> None:
    untidy = onnx.load_from_string(onnx_model)
    untidy.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1, np.float32), "unused"))
    program = (
        "import sys; from model.scorer import OnnxScorer; s = OnnxScorer(sys.stdin.buffer.read()); print(s.provider)"
    )

    run = subprocess.run(
        [sys.executable, "-c", program], input=untidy.SerializeToString(), capture_output=True, check=True
    )

    assert run.stderr == b""
    assert run.stdout.strip() in (b"CPUExecutionProvider", b"CUDAExecutionProvider")
