"""What is masked in a command line, and what is left alone."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.host.secrets import mask, mask_lines

MASKED = {
    "app --password=hunter2 --port 80": "app --password=*** --port 80",
    "app --db-password hunter2 x": "app --db-password *** x",
    "app -token hunter2": "app -token ***",
    "app API_KEY=hunter2": "app API_KEY=***",
    "app --apiKey=hunter2": "app --apiKey=***",
    "app --authToken=hunter2": "app --authToken=***",
    "app AWS_SECRET_ACCESS_KEY=hunter2": "app AWS_SECRET_ACCESS_KEY=***",
    "app --key=hunter2": "app --key=***",
    "app postgres://joe:hunter2@db/x": "app postgres://joe:***@db/x",
    "app postgres://joe:hun@ter2@db/x": "app postgres://joe:***@db/x",
    "app --dsn=amqp://:hunter2@mq": "app --dsn=amqp://:***@mq",
    "app http://h/?token=hunter2&x=1": "app http://h/?token=***",
    "openssl rsa -passin pass:hunter2": "openssl rsa -passin pass:***",
    "curl -u joe:hunter2 http://h": "curl -u joe:*** http://h",
    "mysql -uroot -phunter2 shop": "mysql -uroot -p*** shop",
    "/usr/bin/sshpass -p hunter2 ssh h": "/usr/bin/sshpass -p *** ssh h",
    "redis-cli -a hunter2 ping": "redis-cli -a *** ping",
}
LEFT = [
    "app --passive=yes",
    "llm --max-tokens=4096 --tokenizer=fast",
    "app --token-file=/run/token --key-file=/etc/k.pem",
    "ssh -i /root/.ssh/id_ed25519 host",
    "app --no-password --verbose",
    "app PWD=/root SSH_AUTH_SOCK=/run/ssh",
    "nginx -c /etc/nginx/nginx.conf",
    "app http://host:80/path@v2",
    "app --monkey=1 --author=joe",
]


def argv(line: str) -> bytes:
    return line.replace(" ", "\0").encode() + b"\0"


@pytest.mark.parametrize("line", MASKED)
def test_masked(line: str) -> None:
    assert mask(argv(line)) == argv(MASKED[line])


@pytest.mark.parametrize("line", LEFT)
def test_left_alone(line: str) -> None:
    assert mask(argv(line)) == argv(line)


def test_inside_a_shell_command_or_a_header() -> None:
    # nothing says where a value that starts an argument ends: better too much than too little
    assert mask(b"sh\0-c\0PGPASSWORD=hunter2 psql -h db\0") == b"sh\0-c\0PGPASSWORD=***\0"
    assert mask(b"curl\0-H\0Authorization: Bearer hunter2\0") == b"curl\0-H\0Authorization: Bearer ***\0"
    assert mask(b'app\0{"password": "hunter2", "n": 1}\0') == b'app\0{"password": "***", "n": 1}\0'


def test_a_value_with_spaces_goes_whole() -> None:
    assert mask(b"app\0--password=hunter 2\0") == b"app\0--password=***\0"


@pytest.mark.parametrize("unit", [b"pass", b"token=a ", b"://a:", b"key", b"a", b"\0-p", b"pass:\0"])
def test_two_megabytes_take_linear_time(unit: bytes) -> None:
    started = time.process_time()
    mask(unit * (2_000_000 // len(unit)))
    assert time.process_time() - started < 4


@given(st.lists(st.sampled_from([*MASKED, *LEFT, "-p", "--token", "a=b", ":", "'", "@"]), max_size=6))
def test_masking_again_changes_nothing(parts: list[str]) -> None:
    once = mask("\0".join(parts).encode())
    assert mask(once) == once
    assert b"\0" * once.count(b"\0") == b"\0" * "\0".join(parts).count("\0")


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    once = mask(raw)
    assert mask(once) == once
    assert once.count(b"\0") == raw.count(b"\0")


def test_the_lines_of_a_crontab() -> None:
    raw = b"MAILTO=root\n* * * * * root backup --password hunter2 -v\n5 4 * * * root TOKEN=abc curl http://a:b@c/\n"
    assert mask_lines(raw) == (
        b"MAILTO=root\n* * * * * root backup --password *** -v\n5 4 * * * root TOKEN=*** curl http://a:***@c/\n"
    )
