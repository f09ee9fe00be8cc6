"""A process that holds the embedded server: ``python -m eventflow_stats_tests.local.holder FOLDER``.

Says "holding" and, once told to on stdin, writes a row (``write``) or leaves (end of input).
"""

import sys
from pathlib import Path

import psycopg

from eventflow_stats.local.server import embedded_server


def main() -> None:
    """Hold the server until stdin ends."""
    with embedded_server(Path(sys.argv[1])) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
        print("holding", flush=True)
        for word in sys.stdin:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("INSERT INTO kept VALUES (%s)", [word.strip()])
            print("written", flush=True)


if __name__ == "__main__":
    main()
