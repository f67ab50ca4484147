"""The tables in the documentation are made from the kept results."""

from bench.results import Result, load
from bench.table import BEGIN, DOCUMENT, END, render, replaced


def result(benchmark: str, figures: object) -> Result:
    return Result(
        benchmark, "2026-01-02T03:04:05Z", "abc", "python -m bench x", {"cpu": "C", "cores": 2, "kernel": "6"}, figures
    )


def test_a_table_says_where_its_figures_are_from() -> None:
    text = render(result("store", [{"call_clicks": 64, "clicks_per_s": 21_000, "redis_us": 24.5, "client_us": 9.75}]))

    assert "`python -m bench x`, 2026-01-02, commit abc; 2 cores of C, Linux 6." in text
    assert "| 64 | 21,000 | 24.5 | 9.75 |" in text


def test_the_stages_are_summed_and_compared_with_the_whole() -> None:
    worker = {"cpu_us": {"process": 30.0, "redis": 25.0, "kafka": 12.0}, "threads_us": {"event loop": 24.0}}

    text = render(result("stages", {"stages_us": {"decode": 4.0, "Redis": 21.0, "hash": 6.0}, "worker": worker}))

    assert "| sum of the worker's stages | 10 |" in text
    assert "| the rest: event loop, Faust, hand-overs, colder caches | 20 |" in text
    assert "| its thread `event loop` | 24 |" in text


def test_the_agreement_of_a_recomputation_is_told_with_what_is_not_explained() -> None:
    worker = {"per_s": 5_000.0, "cpu_us": {"process": 40.0, "redis": 20.0, "kafka": 9.0}}
    agreed = {
        "equal": 900, "unexplained": 3, "verdicts_explained": 4, "verdicts_unexplained": 1,
        "features": {"ip_clicks_1m": 910, "hour_sin": 1_000},
    }  # fmt: skip
    run = {"per_s": 4_000.0, "cpu_us": 90.0, "agreement": agreed}
    figures = {"clicks": 1_000, "sent_per_s": 5_000.0, "worker": worker, "runs": [run, run], "differing": 0}

    text = render(result("recompute", figures))

    assert "| worker, clicks sent at 5,000/s | 5,000 | 60 |" in text
    assert "99.5000% of verdicts are the same; of 5 others 1 are not explained" in text
    assert "90.00% of clicks have every feature bit for bit; 3 of the others are not explained" in text
    assert "| ip_clicks_1m | 91.00% |" in text


def test_only_what_is_between_the_markers_changes() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    assert replaced(document, ["### new\n"]) == f"before\n{BEGIN}\n\n### new\n\n{END}\nafter\n"


def test_the_documentation_shows_the_kept_results() -> None:
    document = DOCUMENT.read_text()

    assert all(render(found) in document for found in load().values())
