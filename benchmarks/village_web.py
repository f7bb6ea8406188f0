"""The web process, with a line in a file for each answer to a village player: for benchmarks."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

from benchmarks.town import ROOT


def answers_file(data_dir: Path) -> Path:
    """Where the lines go: method, path, status."""
    return data_dir / "answers.txt"


def counted(app: Any, file: Path) -> Any:
    """``app``, whose answers to players are written down."""

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        async def noting(message: Any) -> None:
            if message["type"] == "http.response.start" and scope["path"].startswith("/edge/"):
                with file.open("a") as lines:
                    lines.write(f"{scope['method']} {scope['path']} {message['status']}\n")
            await send(message)

        await app(scope, receive, noting)

    return counting


def main() -> None:
    """Run it until told to stop."""
    from web import serve

    create_app = serve.create_app  # type: ignore[attr-defined]

    def create_counted(services: Any) -> Any:
        return counted(create_app(services), answers_file(services.settings.data_dir))

    serve.create_app = create_counted  # type: ignore[attr-defined]
    sys.argv = ["server.py", "web"]
    runpy.run_path(str(ROOT / "server.py"), run_name="__main__")


if __name__ == "__main__":
    main()
