"""A caller nobody of us wrote: baresip calls, presses keys, speaks and hears the prompts."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.counterparts import find, require
from tests.hotline_sip.conftest import Hotline, event, free_sip_port, voice, wait_until

pytestmark = [pytest.mark.real("baresip"), pytest.mark.slow]

CONFIG = """
sip_listen 127.0.0.1:{sip_port}
audio_source aufile,{folder}/voice.wav
audio_player aubridge,none
audio_srate {rate_hz}
audio_channels 1
snd_path {folder}
module_path /usr/lib/baresip/modules
module g711.so
module g722.so
module aufile.so
module aubridge.so
module sndfile.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control_port}
"""
ACCOUNT = "<sip:13700000007@127.0.0.1>;regint=0;audio_codecs={codec}/{rate_hz}/1;dtmfmode=rtp\n"
RATES = {"PCMA": 8000, "PCMU": 8000, "G722": 16000}
SPOKEN = voice(40)


class Baresip:
    """The program with a voice as its microphone, steered over its control port."""

    def __init__(
        self, folder: Path, codec: str, *, account: str = ACCOUNT, spoken: np.ndarray = SPOKEN
    ) -> None:
        folder.mkdir()
        self.folder = folder
        with wave.open(str(folder / "voice.wav"), "wb") as sound:
            sound.setparams((1, 2, RATES[codec], 0, "NONE", ""))
            places = np.arange(0, len(spoken), 8000 / RATES[codec])
            faster = np.interp(places, np.arange(len(spoken)), spoken)
            sound.writeframes(faster.astype("<i2").tobytes())
        port = free_sip_port()
        text = CONFIG.format(
            sip_port=free_sip_port(), folder=folder, control_port=port, rate_hz=RATES[codec]
        )
        (folder / "config").write_text(text)
        (folder / "accounts").write_text(account.format(codec=codec, rate_hz=RATES[codec]))
        (folder / "contacts").write_text("")
        with (folder / "out").open("wb") as out:
            self.process = subprocess.Popen(
                [find("baresip") or "baresip", "-4", "-f", folder],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            self.control = wait_until(lambda: _connected(port), explain=(folder / "out").read_text)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def do(self, command: str, parameter: str = "") -> None:
        text = json.dumps({"command": command, "params": parameter})
        self.control.sendall(f"{len(text)}:{text},".encode())

    def quit(self) -> None:
        self.do("quit")
        self.control.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def heard(self) -> np.ndarray:
        [path] = self.folder.glob("dump-*-dec.wav")
        with wave.open(str(path), "rb") as sound:
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(float)
            return samples[:: sound.getframerate() // 8000]


def _connected(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port), 1)
    except OSError:
        return None


@pytest.fixture(params=["PCMA", "PCMU", "G722"])
def phone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Baresip]:
    require("baresip")
    made = Baresip(tmp_path / "baresip", request.param)
    yield made
    made.process.kill()
    made.process.wait()


def likeness(take: np.ndarray, spoken: np.ndarray) -> float:
    """Correlation (0-1) of ``take`` with the part of ``spoken`` it fits best."""
    size = 1 << int(np.ceil(np.log2(len(spoken) + len(take))))
    product = np.fft.rfft(spoken, size) * np.conj(np.fft.rfft(take, size))
    start = int(np.argmax(np.fft.irfft(product, size)[: len(spoken) - len(take)]))
    part = spoken[start : start + len(take)].astype(float)
    return float(take @ part / (np.linalg.norm(take) * np.linalg.norm(part)))


def loudest_hertz(sound: np.ndarray) -> set[int]:
    """The strongest tone of each 0.1 s that is not silent, rounded to 10 Hz."""
    parts = sound[: len(sound) // 800 * 800].reshape(-1, 800)
    loud = parts[np.abs(parts).max(axis=1) > 4000]
    return {int(np.argmax(np.abs(np.fft.rfft(part)))) * 10 for part in loud}


def test_a_foreign_caller_reports(hotline: Hotline, phone: Baresip) -> None:
    phone.do("dial", f"sip:hotline@127.0.0.1:{hotline.port}")
    wait_until(hotline.notes)
    time.sleep(1.5)
    phone.do("sndcode", "1")
    wait_until(lambda: any(len(part) > 3 * 8000 for part in hotline.takes("*.part")))
    phone.do("sndcode", "#")
    [notes] = hotline.finished()
    phone.quit()
    assert [note["digit"] for note in notes if note.get("event") == "Key"] == ["1", "#"]
    assert event(notes, "RecordingStopped")["reason"] == "stopped"
    assert notes[0]["caller"] == "13700000007"
    whole = hotline.takes()[0].astype(float)
    assert likeness(whole[1600 : 3 * 8000], SPOKEN) > 0.99
    assert {440, 660} <= loudest_hertz(phone.heard())
