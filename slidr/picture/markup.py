"""HTML and SVG as trees: text is escaped and tags are closed by the writer, never by hand. Pure."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

Child = Element | str


def node(tag: str, *children: Child, **attributes: float | str) -> Element:
    """An element. `class_` stands for class, `text_anchor` for text-anchor; numbers are written short."""
    made = Element(tag, {name.rstrip("_").replace("_", "-"): written(value) for name, value in attributes.items()})
    append(made, children)
    return made


def append(parent: Element, children: Iterable[Child]) -> None:
    """Add text and elements in order."""
    for child in children:
        if isinstance(child, Element):
            parent.append(child)
        elif len(parent):
            parent[-1].tail = (parent[-1].tail or "") + child
        else:
            parent.text = (parent.text or "") + child


def written(value: float | str) -> str:
    """Numbers with at most one decimal: a tenth of a pixel is enough."""
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def page(title: str, style: str, body: Iterable[Child]) -> str:
    """A whole page of HTML, which is also well-formed XML and needs nothing from anywhere else."""
    head = node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        node("title", title),
        node("style", style),
    )
    root = node("html", head, node("body", *body), lang="en")
    return f"<!DOCTYPE html>\n{tostring(root, encoding='unicode')}\n"
