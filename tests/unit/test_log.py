"""The log tells, and never gets in the way."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from service.log import LinesHandler, quoted


def logger_to(descriptor: int) -> tuple[logging.Logger, LinesHandler]:
    handler = LinesHandler(descriptor)
    logger = logging.Logger("test", logging.INFO)
    logger.addHandler(handler)
    return logger, handler


def test_lines_wait_for_others_and_a_warning_writes_them_all(tmp_path: Path) -> None:
    file = tmp_path / "log"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    logger, handler = logger_to(descriptor)
    logger.info("one")
    assert file.read_bytes() == b""
    logger.warning("two \ud800")
    assert file.read_bytes() == b"one\ntwo \\ud800\n"
    logger.info("three")
    handler.flush()
    assert file.read_bytes().endswith(b"three\n")
    os.close(descriptor)


def test_log_that_cannot_be_written_is_dropped_and_nobody_fails() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    logger, handler = logger_to(descriptor)
    for _ in range(3):
        logger.error("lost")
    handler.flush()
    os.close(descriptor)


def test_foreign_text_cannot_begin_a_line_of_its_own() -> None:
    assert quoted("a\n2026 action=stored\x1b[2J") == '"a\\n2026 action=stored\\u001b[2J"'
    assert len(quoted("x" * 1000)) < 220
