"""`dataxpipe keys scan`: what it finds, what it prints, and its exit status."""

import gzip
import io
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from dataxpipe.command_line import main, scan
from orgs import keys

ROOT = Path(__file__).parents[2]


@pytest.fixture
def key():
    return keys.generate().text


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scanned(capsys, *arguments):
    """Exit status, lines of standard output, standard error."""
    status = main(["keys", "scan", *arguments])
    printed = capsys.readouterr()
    return status, printed.out.splitlines(), printed.err


def platform_key():
    body = "dxp_platform_" + "x" * 43
    return body + keys._checksum(body)


def test_a_key_is_found_with_its_place_and_never_printed(here, key, capsys):
    (here / "dags").mkdir()
    (here / "dags" / "orders.py").write_text(f'# Größe\nheaders = {{"X-API-KEY": "{key}"}}\n')
    status, lines, errors = scanned(capsys, "dags")
    assert (status, lines) == (1, [f"dags/orders.py:2:26: {key[:8]}…{key[-4:]}"])
    assert key[8:-4] not in errors
    assert "1 key found" in errors


def test_a_clean_directory_exits_0_and_prints_nothing(here, capsys):
    (here / "a.txt").write_text("dxp_ and nothing else\n")
    assert scanned(capsys, ".") == (0, [], "")


def test_what_only_looks_like_a_key_is_none(here, key, capsys):
    flipped = key[:20] + ("A" if key[20] != "A" else "B") + key[21:]
    (here / "a.txt").write_text("\n".join([flipped, key[:-1], key.upper(), "dxp_" + "x" * 49]))
    assert scanned(capsys, "a.txt") == (0, [], "")


@pytest.mark.parametrize("around", ["{}", "x{}x", "dxp_{}", "{0}{0}", "a,{},b", "dxp_dxp_{}7"], ids=str)
def test_a_key_is_found_whatever_stands_around_it(here, key, around, capsys):
    (here / "a.txt").write_text(around.format(key))
    status, lines, _ = scanned(capsys, "a.txt")
    assert (status, len(lines)) == (1, around.count("{"))


def test_keys_of_platform_operators_are_found_too(here, capsys):
    (here / "a.txt").write_text(platform_key())
    assert scanned(capsys, "a.txt")[0] == 1


def test_every_key_of_a_line_and_of_every_path_is_told(here, capsys):
    first, second, third = (keys.generate().text for _ in range(3))
    (here / "a.txt").write_text(f"{first} {second}\r\n")
    (here / "b.txt").write_text(f"\n\n   {third}")
    status, lines, _ = scanned(capsys, "a.txt", "b.txt")
    assert [line.split(" ")[0] for line in lines] == ["a.txt:1:1:", "a.txt:1:55:", "b.txt:3:4:"]
    assert status == 1


@pytest.mark.parametrize("piece", [1, 7, 52, 53, 64, 1000])
def test_pieces_find_what_the_whole_would(here, piece, capsys, monkeypatch):
    monkeypatch.setattr(scan, "PIECE_BYTES", piece)
    monkeypatch.setattr(scan, "SNIFFED_BYTES", piece)
    chance = random.Random(piece)
    words = ["é" * chance.randint(0, 9) + chance.choice(["\n", " ", "dxp_"]) for _ in range(60)]
    for place in range(0, 60, 12):
        words.insert(place, keys.generate().text)
    text = "".join(words)
    (here / "a.txt").write_text(text, newline="")
    expected = []
    for place, found in keys.found_in(text.encode()):
        before = text.encode()[:place].decode()
        line = before.count("\n") + 1
        expected.append(f"a.txt:{line}:{len(before.rpartition(chr(10))[2]) + 1}: {keys.hint(found)}")
    assert scanned(capsys, "a.txt")[1] == expected
    assert len(expected) == 5


def test_standard_input_is_a_dash(key, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"x\n{key}\n".encode())))
    assert scanned(capsys, "-")[:2] == (1, [f"-:2:1: {keys.hint(key)}"])


def test_version_control_links_and_special_files_are_left_out(here, key, capsys):
    for name in (".git", "sub/.git", ".hg"):
        (here / name).mkdir(parents=True)
        (here / name / "config").write_text(key)
    (here / "sub" / "plain.txt").write_text("clean")
    (here / "outside").symlink_to("/")
    (here / "link.txt").symlink_to(here / ".git" / "config")
    os.mkfifo(here / "pipe")
    assert scanned(capsys, ".") == (0, [], "")
    assert scanned(capsys, ".git/config")[0] == 1


def test_binary_files_are_skipped_and_said_unless_asked_for(here, key, capsys):
    (here / "cache.pyc").write_bytes(b"\0\1" + key.encode())
    (here / "logs.gz").write_bytes(gzip.compress(key.encode()))
    status, lines, errors = scanned(capsys, ".")
    assert (status, lines) == (0, [])
    assert "2 binary files skipped, 1 of them archives: unpack them" in errors
    assert len(scanned(capsys, "--binary", ".")[1]) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_texts_in_other_encodings_are_read(here, key, encoding, capsys):
    (here / "a.txt").write_bytes(f"Größe\nkey={key}\n".encode(encoding))
    assert scanned(capsys, "a.txt")[1] == [f"a.txt:2:5: {keys.hint(key)}"]


def test_a_name_of_a_file_can_do_no_harm(here, key, capsys):
    (here / f"\x1b[31m{key}\n.txt").write_text(key)
    _, lines, _ = scanned(capsys, ".")
    assert lines == [f"\\x1b[31m{keys.hint(key)}\\n.txt:1:1: {keys.hint(key)}"]


def test_what_cannot_be_read_exits_2_but_a_key_counts_more(here, key, capsys):
    (here / "a.txt").write_text(key)
    status, _, errors = scanned(capsys, "gone.txt")
    assert status == 2
    assert "gone.txt cannot be read: No such file" in errors
    assert scanned(capsys, "gone.txt", "a.txt")[0] == 1


@pytest.mark.parametrize("arguments", [[], ["--staged", "."]], ids=str)
def test_what_to_scan_has_to_be_said(here, arguments, capsys):
    assert scanned(capsys, *arguments)[0] == 2


def git(*arguments):
    identity = ["-c", "user.name=alice", "-c", "user.email=alice@acme.example"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def test_staged_is_what_would_be_committed(here, key, capsys):
    git("init")
    (here / "old.txt").write_text("old")
    git("add", ".")
    git("commit", "-m", "first")
    assert scanned(capsys, "--staged") == (0, [], "")
    (here / "new name.txt").write_text(f"a\n{key}\n")
    (here / "unstaged.txt").write_text(key)
    git("add", "new name.txt")
    git("rm", "--quiet", "old.txt")
    (here / "new name.txt").write_text("cleaned, and not staged")
    assert scanned(capsys, "--staged")[:2] == (1, [f"new name.txt:2:1: {keys.hint(key)}"])


def test_staged_outside_of_a_repository_exits_2(here, capsys, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(here.parent))
    status, _, errors = scanned(capsys, "--staged")
    assert status == 2
    assert "not a git repository" in errors


def test_the_hook_for_pre_commit_scans_without_an_environment(here, key):
    (here / "a.txt").write_text(key)
    run = subprocess.run([ROOT / ".ci" / "scan-keys", "a.txt"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, f"a.txt:1:1: {keys.hint(key)}\n")
