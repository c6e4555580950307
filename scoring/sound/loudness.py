"""Loudness as defined by ITU-R BS.1770-4 and EBU R 128, measured piece by piece for the audio scorer."""

import math

import numpy as np
from numpy.typing import NDArray

Powers = NDArray[np.float64]
"""(n,): weighted power of each tenth of a second."""
Pieces = NDArray[np.float32]
"""(channels, n): samples, -1 to 1."""

PER_SECOND = 10
"""Gating blocks that begin per second; blocks overlap by 75 %."""
BLOCK = 4
"""Tenths of a second in a gating block."""
ABSOLUTE_GATE = -70.0
"""LUFS: blocks below this are not counted."""
RELATIVE_GATE = -10.0
"""LU: nor are blocks that are this far below the mean of the others."""
OFFSET = -0.691
"""dB: with it a sine of 997 Hz at full scale in one front channel has -3.01 LUFS."""
LEAST_RATE = 8000
"""Samples per second, at least: below, the filter's shelf is too near half the sampling rate."""
SURROUND = 10**0.15
"""Weight of the side channels: +1.5 dB ("about 1.41")."""
WEIGHTS: dict[int, tuple[float, ...]] = {
    5: (1, 1, 1, SURROUND, SURROUND),
    6: (1, 1, 1, 0, SURROUND, SURROUND),
    8: (1, 1, 1, 0, 1, 1, SURROUND, SURROUND),
}
"""Channel weights by the number of channels, in FFmpeg's order: left, right, centre, low frequencies, back or side
pairs. The low frequency channel is left out, the side pair is raised (BS.1770-4, annexes 1 and 3); others weigh 1.
"""


def k_weighting(rate: int) -> NDArray[np.float64]:
    """The K-weighting filter of BS.1770-4 for `rate` samples per second, as second-order sections (2, 6).

    The standard gives coefficients for 48 kHz. For other rates the analogue filters behind them are transformed by the
    bilinear transform, with the parameters of libebur128 (Jan Kokemüller, ebur128.c).

    >>> np.round(k_weighting(48000)[0], 6).tolist()
    [1.535125, -2.691696, 1.198393, 1.0, -1.690659, 0.732481]
    """
    turn = math.tan(math.pi * 1681.974450955533 / rate)
    quality = 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    scale = 1 + turn / quality + turn**2
    shelf = [
        (high + middle * turn / quality + turn**2) / scale,
        2 * (turn**2 - high) / scale,
        (high - middle * turn / quality + turn**2) / scale,
        1.0,
        2 * (turn**2 - 1) / scale,
        (1 - turn / quality + turn**2) / scale,
    ]
    turn = math.tan(math.pi * 38.13547087602444 / rate)
    quality = 0.5003270373238773
    scale = 1 + turn / quality + turn**2
    pass_high = [1.0, -2.0, 1.0, 1.0, 2 * (turn**2 - 1) / scale, (1 - turn / quality + turn**2) / scale]
    return np.array([shelf, pass_high])


class Meter:
    """Measures the weighted power of consecutive tenths of a second of sound.

    Raises ValueError below 8000 samples per second.
    """

    def __init__(self, rate: int, channels: int) -> None:
        if rate < LEAST_RATE:
            raise ValueError(f"loudness needs {LEAST_RATE} samples per second or more, not {rate}")
        self._filter = k_weighting(rate)
        self._state = np.zeros((2, channels, 2))
        self._weights = np.array(WEIGHTS.get(channels, (1.0,) * channels))

    def powers(self, tenths: Pieces) -> Powers:
        """The powers (n,) of samples (channels, n, samples per tenth): weighted sums of the channels' mean squares."""
        from scipy.signal import sosfilt  # imported here: it takes a second, and not every command needs it

        channels, count, each = tenths.shape
        flat = np.asarray(tenths, np.float64).reshape(channels, -1)
        filtered, self._state = sosfilt(self._filter, flat, zi=self._state)
        squares = np.square(filtered).reshape(channels, count, each).mean(axis=2)
        return np.asarray(self._weights @ squares, np.float64)


def lufs(power: float) -> float:
    """The loudness in LUFS of a power; minus infinity for 0.

    >>> round(lufs(0.5), 3)
    -3.701
    """
    return OFFSET + 10 * math.log10(power) if power > 0 else -math.inf


def integrated(powers: Powers) -> float | None:
    """Integrated loudness in LUFS, gated twice, from the powers of tenths of a second.

    None if no gating block exceeds -70 LUFS, or if the sound is shorter than a block (0.4 s).

    >>> round(integrated(np.full(10, 0.5)), 3), integrated(np.zeros(10))
    (-3.701, None)
    """
    if len(powers) < BLOCK:
        return None
    blocks = np.lib.stride_tricks.sliding_window_view(powers, BLOCK).mean(axis=1)
    heard = blocks[blocks > _power(ABSOLUTE_GATE)]
    if not len(heard):
        return None
    return lufs(float(heard[heard > heard.mean() * 10 ** (RELATIVE_GATE / 10)].mean()))


def _power(loudness: float) -> float:
    return float(10 ** ((loudness - OFFSET) / 10))
