"""A process that holds the embedded server: ``python -m eventflow_stats_tests.local.holder FOLDER``.

It prints "holding". It writes each line of stdin as a row and prints "written", until the end of the input.
"""

import sys
from pathlib import Path

import psycopg

from eventflow_stats.local.server import embedded_server


def main() -> None:
    """Hold the server until the end of stdin."""
    with embedded_server(Path(sys.argv[1])) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS written (word text)")
        print("holding", flush=True)
        for word in sys.stdin:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("INSERT INTO written VALUES (%s)", [word.strip()])
            print("written", flush=True)


if __name__ == "__main__":
    main()
