"""The read API: ``eventflow_stats.api:app`` for any ASGI server.

A request is authenticated and validated here. A SQL function computes the answer.
"""

import logging
import sys
from typing import Any


def __getattr__(name: str) -> Any:
    """Create ``app`` from the environment's settings when an ASGI server asks for it, not at every import."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from eventflow_stats.api.application import create_app
    from eventflow_stats.api.database_status import check_timezone
    from eventflow_stats.errors import EventflowError
    from eventflow_stats.redaction import WithoutSecrets, without_secrets
    from eventflow_stats.settings import load_settings

    # For log lines of drivers and libraries. Without a handler Python would print them with their secrets.
    handler = logging.StreamHandler()
    handler.setFormatter(WithoutSecrets())
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        settings = load_settings()
        app = create_app(settings)
        check_timezone(settings)
        return app
    except EventflowError as error:
        # An ASGI server would print a stack trace.
        print(f"eventflow-stats: {without_secrets(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
