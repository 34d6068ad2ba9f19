"""Logs as one JSON object a line; what a request brings is escaped, so that it cannot begin a line."""

from __future__ import annotations

import json
import logging
import logging.config
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """A line: time, level, event, and the fields that were given along (``extra={"fields": {...}}``)."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of ``record``."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_to_stdout() -> None:
    """Let this service and uvicorn log to standard output; uvicorn's own lines only where something is wrong."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonLines}},
            "handlers": {
                "stdout": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}
            },
            "loggers": {
                "varml.serving": {"handlers": ["stdout"], "level": "INFO", "propagate": False},
                "uvicorn": {"handlers": ["stdout"], "level": "WARNING", "propagate": False},
                # It notes every fault of a form; the line of the request does so too.
                "python_multipart": {"handlers": ["stdout"], "level": "CRITICAL", "propagate": False},
            },
        }
    )
