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


def test_what_touches_its_bytes_once_is_linear_however_slow_the_memory_is() -> None:
    slower: list[bytes] = []

    def touch(data: bytes) -> None:
        slower.extend(bytes(bytearray(data)) for _ in range(1 + 2 * (len(data) > 1_000_000)))
        slower.clear()

    assert exponent(touch, bytes, 200_000) <= 1
    assert exponent(bytes.split, lambda size: b" " * size, 200_000) > 0.5
