"""The alerts of the daemon's log that `up` shows at the terminal."""

from pathlib import Path

from eventflow_stats.cli.alert_format import AlertLines

OLD, NEW = '{"alert": "old"}', '{"alert": "new", "text": "x"}'


def test_only_new_alert_lines_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    log.write_text(f"{OLD}\n")
    following = AlertLines(log)
    assert following.new() == []

    with log.open("a") as more:
        more.write(
            f'2026-03-04 dagster.daemon INFO started\n{{"level": "INFO", "msg": "{{}}"}}\n{NEW}\n{{"alert": cut\n'
        )
    assert following.new() == [NEW]
    assert following.new() == []


def test_a_line_still_being_written_is_shown_once_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    following = AlertLines(log)
    assert following.new() == []

    log.write_text(NEW[:7])
    assert following.new() == []
    with log.open("a") as more:
        more.write(f"{NEW[7:]}\n")
    assert following.new() == [NEW]


def test_a_log_that_was_emptied_is_followed_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    log.write_text("a long line that was there before\n")
    following = AlertLines(log)

    log.write_text(f"{NEW}\n")
    assert following.new() == [NEW]
