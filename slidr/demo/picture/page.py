"""The page: what was found in sentences, the charts that show it, the table, what it ran on."""

from collections.abc import Iterable
from pathlib import Path
from xml.etree.ElementTree import Element

from contracts.files import written_whole
from contracts.rates import rate
from slidr.demo.kinds import DESCRIPTIONS, Caught, hard_sentence
from slidr.demo.picture import figures, words
from slidr.demo.picture.story import Story
from slidr.picture import markup
from slidr.picture.charts import share_bar
from slidr.picture.markup import Child, node
from slidr.picture.style import CSS
from traffic.robots import HUMAN


def write_page(story: Story, path: Path) -> None:
    """Write the page whole or not at all."""
    with written_whole(path) as draft:
        draft.write_text(page(story), encoding="utf-8")


def page(story: Story) -> str:
    """HTML that is also well-formed XML and needs nothing from anywhere else."""
    return markup.page("SLIDR: a day with seven kinds of robots", CSS, _body(story))


def _body(story: Story) -> Iterable[Child]:
    yield node("h1", words.headline(story))
    yield node("p", words.setting(story), class_="soft")
    yield _tiles(story)
    yield from _section(words.attacks(story), figures.attack_lanes(story.attacks), "")
    yield from _section(
        words.rates(story),
        figures.rates(story),
        "Shaded: attacks. ",
        ("area sent", "sent"),
        ("line decided", "decided"),
    )
    yield from _section(
        words.lag(story),
        figures.lag(story),
        "Clicks sent before `decisions` was read, twice a second, that had no decision there.",
    )
    yield from _section(
        words.latency(story), figures.latency(story),
        "From poll returned to decision handed over, for the clicks of each half second. ",
        ("line p50", "median"), ("line p99", "99th percentile"),
    )  # fmt: skip
    yield node("h2", words.verdicts(story))
    yield node(
        "p", "Only the simulator knows who clicked; the filter does not. Shaded: this kind attacks. ",
        _key("invalid", "invalid"), _key("valid", "valid"), class_="soft",
    )  # fmt: skip
    yield node("div", *(_small(story, kind) for kind in story.by_time), class_="small")
    yield node("figure", node("h2", words.recall(story)), _table(story))
    if sentence := hard_sentence(story.outcome.recall):
        yield node("p", sentence)
    yield node("p", words.false_positives(story))
    yield node("p", words.people(story))
    yield node("h2", words.conservation(story))
    yield node("p", "Counted over all clicks of both days, as a billing consumer reads the topics.", class_="soft")
    yield node("h2", "What it ran on")
    yield node(
        "dl", *(node(tag, text) for row in words.machine(story) for tag, text in zip(("dt", "dd"), row, strict=True))
    )


def _section(title: str, chart: Element, caption: str, *keys: tuple[str, str]) -> Iterable[Element]:
    legend = (_key(class_, text) for class_, text in keys)
    yield node("figure", node("h2", title), node("figcaption", caption, *legend), chart)


def _key(class_: str, text: str) -> Element:
    """A swatch and its name."""
    if "line" in class_:
        mark = node("line", x1=0, x2=22, y1=5, y2=5, class_=class_)
    else:
        mark = node("rect", width=22, height=10, class_=class_)
    return node("span", node("svg", mark, viewBox="0 0 22 10", aria_hidden="true"), text, class_="key")


def _small(story: Story, kind: str) -> Element:
    chart = figures.verdicts(kind, story.by_time[kind], story.bin_h, story.attacks)
    return node("figure", node("h3", words.kind_title(story, kind)), chart)


def _tiles(story: Story) -> Element:
    return node("ul", *(node("li", node("strong", value), text) for value, text in words.tiles(story)), class_="tiles")


def _table(story: Story) -> Element:
    titles = ("who", "how they click", "clicks", "invalid", "share", "", "95 % interval", "in the attack")
    numeric = ("clicks", "invalid", "share", "95 % interval", "in the attack")
    head = node("tr", *(node("th", title, class_="number" if title in numeric else "word") for title in titles))
    rows = (_row(story, kind, found) for kind, found in story.outcome.by_kind.items())
    return node("table", node("thead", head), node("tbody", *rows))


def _row(story: Story, kind: str, found: Caught) -> Element:
    share = rate(found.invalid, found.clicks)
    in_attack = [attack for attack in story.outcome.attacks if attack.kind == kind and attack.recall is not None]
    return node(
        "tr",
        node("td", "people" if kind == HUMAN else kind),
        node("td", DESCRIPTIONS[kind], class_="soft"),
        _number(f"{found.clicks:,}"),
        _number(f"{found.invalid:,}"),
        _number(f"{share.value:.1%}"),
        node("td", share_bar(share.value, share.low, share.high), class_="bar"),
        _number(f"{share.low:.1%} to {share.high:.1%}"),
        _number(", ".join(f"{attack.recall:.1%}" for attack in in_attack) or "-"),
    )


def _number(text: str) -> Element:
    return node("td", text, class_="number")
