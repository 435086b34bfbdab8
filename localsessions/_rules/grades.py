"""In which order a question is answered: as it stands before other words, together before apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from localsessions._rules.finder import Finder
from localsessions._rules.question import Near, Question

__all__ = ["NO_WORDS", "Grade", "grades"]

NO_WORDS: Near = {}
"""No other words are meant."""


class Grade(NamedTuple):
    """One way to answer a question; its hits stand before those of the grades that follow.

    Attributes:
        number: What the score of its hits begins with.
        question: What is asked then.
        near: Which other words may be meant.
        finder: Finds the same in a text.
        is_apart: Whether the words may stand in different messages of a session.
    """

    number: int
    question: Question
    near: Near
    finder: Finder
    is_apart: bool = False


def grades(question: Question, near: Callable[[], Near]) -> Iterator[Grade]:
    """Yield the ways to answer a question, the best first.

    Args:
        question: The question.
        near: Returns which other words may be meant; most searches end before it is called.
    """
    if (row := question.side_by_side) is not None:
        together = question._replace(groups=((row,),))
        yield Grade(3, together, NO_WORDS, Finder(together))
    yield Grade(2, question, NO_WORDS, Finder(question))
    others = near()
    any_form = Finder(question, others)
    if others:
        yield Grade(1, question, others, any_form)
    if len(question.groups) > 1:
        yield Grade(0, question, others, any_form, is_apart=True)
