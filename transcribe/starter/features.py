"""MFCC as Vosk computes them from our ``conf/mfcc.conf``: one row of 40 every 10 ms."""

from __future__ import annotations

import kaldi_native_fbank as fbank
import numpy as np
from numpy.typing import NDArray

from transcribe.starter import layout
from transcribe.starter.export import MFCC_CONF

COEFFICIENTS = layout.INPUTS


def mfcc(sound: NDArray[np.float64]) -> NDArray[np.float32]:
    """[frames, COEFFICIENTS] of 16 kHz sound in the range of int16; frame t is at 10 t ms."""
    options = fbank.MfccOptions()
    options.frame_opts.samp_freq = float(MFCC_CONF["sample-frequency"])
    options.frame_opts.dither = float(MFCC_CONF["dither"])
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = int(MFCC_CONF["num-mel-bins"])
    options.mel_opts.low_freq = float(MFCC_CONF["low-freq"])
    options.mel_opts.high_freq = float(MFCC_CONF["high-freq"])
    options.num_ceps = COEFFICIENTS
    options.use_energy = False
    computer = fbank.OnlineMfcc(options)
    computer.accept_waveform(options.frame_opts.samp_freq, sound.astype(np.float32))
    computer.input_finished()
    rows = [computer.get_frame(number) for number in range(computer.num_frames_ready)]
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, COEFFICIENTS), np.float32)
