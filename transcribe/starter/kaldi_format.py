"""The words of Kaldi's binary files: tokens, numbers, vectors, matrices.

A number is one byte with its size, then the number, little endian; a token ends with one space.
Learnt from the files themselves and from what Vosk accepts.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import N_, InvalidInput

Floats = NDArray[np.float32]
_LEVELS = 65_535


@dataclass(frozen=True)
class TwoByteMatrix:
    """A matrix of 16-bit codes: value = low + code * span / 65535. Half the size of floats."""

    low: float
    span: float
    codes: NDArray[np.uint16]

    @classmethod
    def of(cls, matrix: NDArray[np.floating]) -> TwoByteMatrix:
        """The closest codes for ``matrix``, any shape of two dimensions."""
        exact = matrix.astype(np.float64)
        low, span = float(exact.min()), float(np.ptp(exact))
        codes = np.round((exact - low) * (_LEVELS / span if span else 0.0))
        return cls(low, span, codes.astype(np.uint16))

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.codes.shape
        return rows, columns

    def values(self) -> Floats:
        """The matrix the codes stand for."""
        return (self.low + self.codes.astype(np.float64) * (self.span / _LEVELS)).astype(np.float32)


def token(name: str) -> bytes:
    return f"{name} ".encode("ascii")


def int32(number: int) -> bytes:
    return b"\x04" + struct.pack("<i", number)


def float32(number: float) -> bytes:
    return b"\x04" + struct.pack("<f", number)


def float64(number: float) -> bytes:
    return b"\x08" + struct.pack("<d", number)


def int_vector(numbers: Sequence[int]) -> bytes:
    """Integers with one size byte for all of them."""
    return b"\x04" + struct.pack("<i", len(numbers)) + np.asarray(numbers, "<i4").tobytes()


def float_vector(values: Sequence[float] | Floats) -> bytes:
    return token("FV") + int32(len(values)) + np.asarray(values, "<f4").tobytes()


def matrix(values: Floats | TwoByteMatrix) -> bytes:
    """Rows x columns, row by row; codes stay codes."""
    if isinstance(values, TwoByteMatrix):
        head = struct.pack("<ffii", values.low, values.span, *values.shape)
        return token("CM2") + head + values.codes.astype("<u2").tobytes()
    rows, columns = values.shape
    return token("FM") + int32(rows) + int32(columns) + values.astype("<f4").tobytes()


class Reader:
    """Reads what the functions above write; InvalidInput at the first byte that does not fit."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def token(self) -> str:
        end = self._data.find(b" ", self._at, self._at + 200)
        if end < 0:
            raise self.misfit("a token")
        name = self._data[self._at : end].decode("ascii", "replace")
        self._at = end + 1
        return name

    def expect(self, *names: str) -> None:
        """Pass over these tokens."""
        for name in names:
            start = self._at
            if self.token() != name:
                self._at = start
                raise self.misfit(name)

    def text_until(self, end: bytes) -> str:
        """ASCII text before ``end``, which is passed over."""
        stop = self._data.find(end, self._at)
        if stop < 0:
            raise self.misfit(repr(end))
        text = self._data[self._at : stop].decode("ascii", "replace")
        self._at = stop + len(end)
        return text

    def int32(self) -> int:
        return int(self._sized("i"))

    def float32(self) -> float:
        return float(self._sized("f"))

    def float64(self) -> float:
        return float(self._sized("d"))

    def int_vector(self) -> list[int]:
        count = self.int32()
        return [int(number) for number in np.frombuffer(self._take(4 * count), "<i4")]

    def float_vector(self) -> Floats:
        self.expect("FV")
        return np.frombuffer(self._take(4 * self.int32()), "<f4")

    def matrix(self) -> Floats | TwoByteMatrix:
        kind = self.token()
        if kind == "FM":
            rows, columns = self.int32(), self.int32()
            return np.frombuffer(self._take(4 * rows * columns), "<f4").reshape(rows, columns)
        if kind == "CM2":
            low, span, rows, columns = struct.unpack("<ffii", self._take(16))
            codes = np.frombuffer(self._take(2 * rows * columns), "<u2")
            return TwoByteMatrix(low, span, codes.reshape(rows, columns))
        raise self.misfit("a matrix of kind FM or CM2")

    def skip(self, expected: bytes) -> None:
        if self._take(len(expected)) != expected:
            raise self.misfit(repr(expected))

    def misfit(self, wanted: str) -> InvalidInput:
        return InvalidInput(
            N_("The model file has no %(wanted)s at byte %(place)d: it is not laid out as ours."),
            field="model",
            params={"wanted": wanted, "place": self._at},
        )

    def _sized(self, code: str) -> int | float:
        size = struct.calcsize(code)
        if self._take(1) != bytes([size]):
            raise self.misfit(f"number of {size} bytes")
        number: int | float = struct.unpack(f"<{code}", self._take(size))[0]
        return number

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self._at:
            raise self.misfit(f"{count} further bytes")
        self._at += count
        return self._data[self._at - count : self._at]
