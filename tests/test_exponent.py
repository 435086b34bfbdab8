"""The measure of growth tells a line from a square."""

from __future__ import annotations

from growth import exponent


def test_a_line_and_a_square_are_told_apart() -> None:
    def line(size: int) -> None:
        sum(range(100 * size))

    def square(size: int) -> None:
        for _ in range(size):
            sum(range(size))

    assert exponent(line, int, 100, largest=10_000) < 1.5
    assert exponent(square, int, 100, largest=10_000) >= 1.5


def test_what_takes_the_same_time_at_each_size_does_not_grow() -> None:
    assert exponent(abs, int, 1) < 0.5
