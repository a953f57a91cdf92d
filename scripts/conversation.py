"""Play the test's conversation over Dovecot and SMTP, and write every mail of it into a folder to be looked at.

Run by `python -m scripts.conversation FOLDER`; a mail becomes an `.eml`, its plain form a `.txt`, its HTML an `.html`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from tests.harness.play import KEEP

ROOT = Path(__file__).parents[1]
TEST = "tests/integration/test_whole_conversation.py"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(folder: Path) -> None:
    """Write the mails of the conversation into FOLDER."""
    environment = os.environ | {KEEP: str(folder.absolute())}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", TEST], cwd=ROOT, env=environment)
    click.echo(f"{len(list(folder.glob('*.eml')))} mails in {folder}")
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
