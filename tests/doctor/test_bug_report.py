"""A bug report has what an issue needs, but no personal names and no secrets."""

from pathlib import Path

import pytest

from pse_repro.doctor import bug_report
from pse_repro.doctor.bug_report import Identity, scrub
from pse_repro.doctor.diagnosis import judge
from pse_repro.doctor.images import Images
from tests.support.invented_machines import machine, without_gpu

ALICE = Identity(("/mnt/home/alice", "/home/alice"), ("alice",), ("gpu7.lab.example", "gpu7"))


def test_what_an_issue_needs() -> None:
    report = bug_report(judge(without_gpu(environment={"OMP_NUM_THREADS": "2"}, container="docker")), ALICE)
    for part in (
        "pse-repro 0.1.0, commit c0ffee, Python 3.12.1", "torch 2.15.0, numpy 2.4.6", "in a container (docker)",
        "Linux-6.8.0", "AMD EPYC, 16 cores", "PyTorch for CUDA 13.0; driver 580.65.06, CUDA 13.0",
        "full cannot run (GPU), at least 104 days", "| GPU | bad |", "OMP_NUM_THREADS=2",
    ):  # fmt: skip
        assert part in report
    changed = bug_report(judge(machine(git={"commit": "c0ffee", "dirty": True})), ALICE)
    assert "commit c0ffee, changed" in changed
    assert "All checks passed." in changed
    assert "No relevant environment variable is set." in changed
    assert "no checkout" in bug_report(judge(machine(git=None)), ALICE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PSE_REPRO_TOKEN", "hunter2"),
        ("TORCH_API_KEY", "hunter2"),
        ("pse_repro_password", "hunter2"),
        ("PSE_REPRO_Client_Secret", "hunter2"),
        ("CUDA_CREDENTIALS", "hunter2"),
        ("PSE_REPRO_DBPASSWD", "hunter2"),
        ("NVIDIA_AUTH", "hunter2"),
        ("https_proxy", "http://bob:hunter2@proxy.lab.example:3128"),
        ("https_proxy", "http://bob:hunter2@more:hunter2@proxy"),
        ("https_proxy", "http://bob:hunter2 with a space@proxy"),
        ("https_proxy", "bob:hunter2@proxy:3128"),
        ("all_proxy", "socks5h://hunter2@proxy"),
        ("no_proxy", "a.example,http://bob:hunter2@b,http://eve:hunter2@c"),
        ("PSE_REPRO_FROM", "https://mirror/stl10.tar.gz?token=hunter2&part=1"),
        ("PSE_REPRO_FROM", "https://mirror/stl10.tar.gz?part=1&X-Amz-Signature=hunter2"),
        ("PSE_REPRO_FROM", "https://mirror/stl10.tar.gz?access_key=hunter2;x=1"),
        ("PSE_REPRO_FROM", "ftp://bob:hunter2@mirror/stl10.tar.gz\nhttps://bob:hunter2@other"),
    ],
)
def test_secrets_are_withheld(name: str, value: str) -> None:
    report = bug_report(judge(machine(environment={name: value})), ALICE)
    assert "hunter2" not in report
    assert "bob" not in report
    assert f"{name}=" in report
    assert "(withheld)" in report


def test_what_is_no_secret_is_told() -> None:
    plain = {"http_proxy": "http://proxy:3128", "OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "0"}
    report = bug_report(judge(machine(environment=plain)), ALICE)
    assert all(f"{name}={value}\n" in report for name, value in plain.items())


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("/home/alice/data", "~/data"),
        ("/mnt/home/alice/data", "~/data"),
        ("in /home/alice.", "in /home/USER."),  # the full stop may be part of another folder's name
        ("/home/alice2/data", "/home/USER2/data"),
        ("/scratch/Alice/runs of ALICE", "/scratch/USER/runs of USER"),
        ("/tmp/torch_alice_x", "/tmp/torch_USER_x"),
        ("on gpu7.lab.example and GPU7", "on HOST and HOST"),
        ("alice@gpu7:/home/alice", "USER@HOST:~"),
    ],
)
def test_home_user_and_host_are_replaced(text: str, scrubbed: str) -> None:
    assert scrub(text, ALICE) == scrubbed


def test_names_that_are_parts_of_words_or_of_patterns() -> None:
    short = Identity((), ("al", "j.d+(x"), ("m",))
    assert scrub("normal val al /home/al/m_m", short) == "normal val USER /home/USER/HOST_HOST"
    assert scrub("of j.d+(x, not jxd(x", short) == "of USER, not jxd(x"


def test_every_part_of_the_report_is_scrubbed() -> None:
    path = Path("/home/alice/on-gpu7/a|b`c")
    report = bug_report(
        judge(
            machine(
                images=Images(path, "none"), platform="Linux-gpu7", environment={"XDG_CACHE_HOME": "/home/alice/c"},
                cpu={"name": "alice's CPU"},
            )
        ),
        ALICE,
    )  # fmt: skip
    assert "alice" not in report.lower()
    assert "gpu7" not in report.lower()
    assert "~/on-HOST/a\\|b'c" in report  # and breaks neither the table nor the code block
    assert "XDG_CACHE_HOME=~/c" in report


def test_a_value_cannot_leave_its_block_of_code() -> None:
    report = bug_report(judge(machine(environment={"PSE_REPRO_OUT": "x\n```\n# heading\x1b[31m"})), ALICE)
    assert report.count("```") == 2
    assert "\n# heading" not in report
    assert "\x1b" not in report


def test_who_one_is_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "carol") + "/")
    monkeypatch.setenv("LOGNAME", "dave")
    monkeypatch.setattr("platform.node", lambda: "box.lab.example")
    monkeypatch.setattr("getpass.getuser", lambda: "erin")
    here = Identity.here()
    assert str(tmp_path / "carol") in here.homes
    assert {"carol", "dave", "erin"} <= set(here.users)
    assert {"box.lab.example", "box"} <= set(here.hosts)
    assert here.hosts.index("box.lab.example") < here.hosts.index("box")


def test_a_user_without_a_name_or_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setenv("HOME", "/")
    monkeypatch.setattr("getpass.getuser", fail)
    here = Identity.here()
    assert "" not in (*here.homes, *here.users, *here.hosts)
    assert scrub("/data/images", here) == "/data/images"
