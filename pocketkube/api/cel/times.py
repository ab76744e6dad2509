"""Times and durations: the evaluator gives them out as Python's, and takes them back as protocol buffers only."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any


def as_given(value: Any) -> Any:
    """A value that the evaluator gave out, to be given to it again."""
    if isinstance(value, timedelta):
        from google.protobuf.duration_pb2 import Duration

        length = Duration()
        length.FromTimedelta(value)
        return length
    if isinstance(value, datetime):
        from google.protobuf.timestamp_pb2 import Timestamp

        moment = Timestamp()
        moment.FromDatetime(value)
        return moment
    if isinstance(value, dict):
        return {key: as_given(inner) for key, inner in value.items()}
    return [as_given(inner) for inner in value] if isinstance(value, list) else value
