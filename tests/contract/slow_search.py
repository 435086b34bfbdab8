"""What a search finds in a session, by a look at each of its texts."""

from __future__ import annotations

from collections.abc import Mapping

from localsessions import models
from localsessions._rules.finder import Finder
from localsessions._rules.question import Near, Question
from localsessions._rules.texts import SESSION_ITSELF, Text, neighbours_of, snippet_of
from localsessions._rules.words import fold

__all__ = ["best_hit"]


def best_hit(
    question: Question,
    near: Near,
    summary: models.SessionSummary,
    texts: Mapping[int, Text],
    neighbours: int,
) -> models.SearchHit | None:
    """Return the best place of a session; None if it has not all that is asked for."""
    if not question.groups:
        left_out = question.left_out and Finder(question.left_out)
        has_one = left_out and any(left_out.occurs_in(one.body) for one in texts.values())
        is_meant = question.is_narrowed and not has_one
        return models.SearchHit(summary, None, None, summary.preview, (), 0) if is_meant else None
    groups = [Finder(question._replace(groups=(one,)), near) for one in question.groups]
    bodies = [text.body for text in texts.values() if question.is_role(text.role)]
    if not all(any(map(one.occurs_in, bodies)) for one in groups):
        return None
    row = question.side_by_side
    together = question._replace(groups=((row,),)) if row else question
    steps = [Finder(together), Finder(question), Finder(question, near)]
    hits = []
    for position, text in texts.items():
        if not question.is_role(text.role) or not steps[-1].count_in(text.body):
            continue
        step = next((at for at, one in enumerate(steps) if one.occurs_in(text.body)), len(steps))
        finder = steps[min(step, 2)] if step else steps[1]
        is_own = position == SESSION_ITSELF
        share = len(finder.places(text.body)[1]) / len(fold(text.body))
        place = (None if is_own else position), text.role, *snippet_of(text, finder)
        beside = range(position - neighbours, position + neighbours + 1)
        around = {} if is_own else {one: texts[one] for one in beside if one in texts}
        score = (is_own + share) / 3 - step
        hits.append(models.SearchHit(summary, *place, score, neighbours_of(around, position)))
    return max(hits, key=lambda hit: hit.score, default=None)
