"""Check the container image in use: python container/check_image.py docker|podman IMAGE

Each check prints one line; the first failure ends the script with status 1. Standard library only. Runs use one
thread, so that their results are equal bit for bit.
"""

import json
import os
import pty
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine import Failed, Image, expect

STUDY = """
name = "short"
scale = "reduced"
expected = "paper"
epochs = 3
folds = 1
evaluations = ["frozen"]
[subset]
unlabeled = 240
train = 40
test = 40
[overrides]
batch_size = 8
downstream_max_epochs = 2
[[models]]
encoder = "cnn"
objective = "pse"
sigma = 3
"""
SHORT = ("run", "/data/short.toml", "--device", "cpu", "--quiet")
NVIDIA = ("NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility")
STOP_SECONDS = 60  # the engines' default of ten is too short for a training step on a busy CPU


def check_configuration(image: Image) -> str:
    """Check labels, user, volumes, entry point, and the variables that NVIDIA's runtime reads."""
    found = json.loads(image.call("image", "inspect", image.name).stdout)[0]
    config = found["Config"]
    labels = {name.rpartition(".")[2]: text for name, text in (config["Labels"] or {}).items()}
    for name in ("title", "source", "revision", "version", "licenses"):
        expect(bool(labels.get(name)), f"no label {name}")
    expect(config["Entrypoint"] == ["pse-repro"] and config["Cmd"] == ["--help"], "wrong entry point")
    expect(set(config["Volumes"]) == {"/data", "/runs"}, f"volumes {config['Volumes']}")
    for variable in (*NVIDIA, "PSE_REPRO_DATA_HOME=/data"):
        expect(variable in config["Env"], f"{variable} is not set")
    return f"labels, volumes, variables; {found['Size'] / 1e9:.2f} GB"


def check_words(image: Image) -> str:
    """Check help, exit status and error messages, and that studies and protocols are in the image."""
    expect("Usage" in image.run().stdout, "no help")
    errors = image.run("no-such-command", status=2).stderr
    expect("No such command" in errors, errors)
    plan = json.loads(image.run("plan", "full", "--format", "json", "--device", "cpu").stdout)
    expect(bool(plan), "no plan of the full study")
    return "help, exit status, studies and protocols"


def check_contents(image: Image) -> str:
    """Check the user, the compiled bytecode, and that no leftovers of the build remain."""
    uid = image.run("-u", options=("--entrypoint", "id")).stdout.strip()
    expect(uid == "10001", f"runs as uid {uid}")
    compiled = "pse_repro/__pycache__/loss.*.pyc torch/__pycache__/serialization.*.pyc"
    leftovers = "~root/.cache/pip /wheel /source /var/lib/apt/lists/*_Packages"
    script = f"cd /opt/venv/lib/python3*/site-packages; ls {compiled}; ls -d {leftovers} 2>/dev/null; exit 0"
    listed = image.run("-c", script, options=("--user", "0", "--entrypoint", "sh")).stdout  # root reads its home
    expect(
        len(listed.split()) == listed.count(".pyc") == 2,
        f"expected two compiled files, found: {listed}",
    )
    return "uid 10001, bytecode, no caches"


def check_smoke(image: Image) -> str:
    """Run `smoke`, then `compare` and `doctor`, as the image's own user and in a named volume."""
    volume = f"pse-repro-check-{secrets.token_hex(4)}"
    mount = ("-v", f"{volume}:/runs")
    try:
        smoke = image.run("smoke", "--device", "cpu", options=mount)
        expect("embedded sample" in smoke.stderr, smoke.stderr)
        compared = json.loads(image.run("compare", "--format", "json", options=mount).stdout)
        expect(bool(compared), "nothing compared")
        checks = doctor(image, mount)
        expect(checks["run folder"]["state"] == "good", str(checks["run folder"]))
        expect("/data:" in checks["volumes"]["found"], str(checks["volumes"]))
    finally:
        image.call("volume", "rm", volume)
    return "smoke, compare and doctor, in a named volume"


def check_warning(image: Image) -> str:
    """Run a study that needs STL-10 with nothing mounted: it warns, then tries to download (there is no network)."""
    errors = image.run("full", "--device", "cpu", status=3).stderr
    expect("files written to /data are lost with this container" in errors, errors)
    expect("downloading STL-10" in errors, errors)
    return "full with nothing mounted warns, then tries to download"


def check_undisturbed(image: Image) -> str:
    """Run from start to end with a read-only root, no capabilities and a user unknown to the image."""
    hard = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    runs = image.folder("whole")
    image.run(*SHORT, options=(*hard, *image.mounted(runs)))
    results = runs / "short/results.csv"
    expect(results.stat().st_uid == image.uid, f"results.csv belongs to uid {results.stat().st_uid}")
    expect((runs / "short/report.html").is_file(), "no report")
    return f"uid {image.uid}, read-only root, no capabilities"


def check_refusal(image: Image) -> str:
    """Run with a folder that the image's user may not write to: one line of error, no traceback."""
    closed = image.work / "closed"
    closed.mkdir(mode=0o755)
    options = ("-v", f"{image.work}/data:/data:ro", "-v", f"{closed}:/runs")
    errors = image.run(*SHORT, options=options, status=3).stderr
    expect("Permission denied" in errors and "Traceback" not in errors, errors)
    checks = doctor(image, ("--read-only", *options))
    expect("-v DIR:/runs" in checks["run folder"]["remedy"], str(checks["run folder"]))
    expect("--tmpfs /tmp" in checks["cache folder"]["remedy"], str(checks["cache folder"]))
    return "another user's folder is refused in one line, and doctor names the remedy"


def doctor(image: Image, options: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return the doctor's checks by name; its exit status, which depends on the machine, is ignored."""
    command = image.command("doctor", "--format", "json", options=("--rm", *options))
    diagnosis = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    expect(bool(diagnosis["machine"]["container"]), "the doctor does not see a container")
    return {check["name"]: check for check in diagnosis["checks"]}


@contextmanager
def running(image: Image, runs: Path) -> Iterator[str]:
    """Start a container, wait until it is in the middle of pre-training, and yield its name; remove it at the end."""
    name = f"pse-repro-check-{secrets.token_hex(4)}"
    subprocess.run(
        image.command(*SHORT, options=("-d", "--name", name, *image.mounted(runs))), check=True, capture_output=True
    )
    try:
        wait_for_state(runs)
        yield name
    finally:
        image.call("rm", "-f", "-v", name)


def wait_for_state(runs: Path, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not list(runs.glob("short/models/*/state.safetensors")):
        expect(time.monotonic() < deadline, f"no state was saved in {seconds:g} s")
        time.sleep(0.02)


def check_stop(image: Image) -> str:
    """Stop a run (SIGTERM to PID 1): status 130, and the same numbers after resuming."""
    runs = image.folder("stopped")
    with running(image, runs) as name:
        began = time.monotonic()
        image.call("stop", "-t", str(STOP_SECONDS), name)
        took = time.monotonic() - began
        ended(image, name)
    resumed(image, runs)
    return f"stop ended a run in {took:.1f} s; resuming gave the same results"


def check_interrupt(image: Image) -> str:
    """Interrupt a run (SIGINT to PID 1): status 130, and the same numbers after resuming."""
    runs = image.folder("interrupted")
    with running(image, runs) as name:
        image.call("kill", "--signal", "INT", name)
        image.call("wait", name)
        ended(image, name)
    resumed(image, runs)
    return "SIGINT ended a run; resuming gave the same results"


def check_terminal(image: Image) -> str:
    """Press Ctrl-C on the terminal of `run -it`: status 130, and the same numbers after resuming."""
    runs = image.folder("terminal")
    ours, theirs = pty.openpty()
    options = ("--rm", "-it", *image.mounted(runs))
    process = subprocess.Popen(image.command(*SHORT, options=options), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        wait_for_state(runs)
        os.write(ours, b"\x03")
        output = read_to_end(ours)
        status = process.wait(STOP_SECONDS)
    finally:
        process.kill()
        os.close(ours)
    expect(status == 130, f"status {status}: {output}")
    expect("what was done is kept" in output, output)
    resumed(image, runs)
    return "Ctrl-C ended run -it; resuming gave the same results"


def read_to_end(terminal: int) -> str:
    output = b""
    try:
        while part := os.read(terminal, 4096):
            output += part
    except OSError:  # Linux raises it if the other end is closed
        pass
    return output.decode(errors="replace")


def ended(image: Image, name: str) -> None:
    status = image.call("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip()
    errors = image.call("logs", name).stderr
    expect(status == "130", f"status {status} instead of 130: {errors}")
    expect("what was done is kept" in errors, errors)


def resumed(image: Image, runs: Path) -> None:
    """Resume a run with the same command and compare its results with those of the undisturbed run."""
    expect(not (runs / "short/results.csv").exists(), "the run was complete before it was stopped")
    image.run(*SHORT, options=image.mounted(runs))
    same = (runs / "short/results.csv").read_bytes() == (image.work / "whole/short/results.csv").read_bytes()
    expect(same, "the results differ from those of an undisturbed run")


CHECKS: tuple[Callable[[Image], str], ...] = (
    check_configuration,
    check_words,
    check_contents,
    check_undisturbed,
    check_refusal,
    check_stop,
    check_interrupt,
    check_terminal,
    check_warning,
    check_smoke,
)


def main(engine: str, name: str) -> int:
    work = Path(tempfile.mkdtemp(prefix="pse-repro-check-"))
    work.chmod(0o755)
    try:
        image = Image(engine, name, work)
        data = image.folder("data")
        image.run("data", "sample", "/data", options=(*image.user, "-v", f"{data}:/data"))
        (data / "short.toml").write_text(STUDY)
        for check in CHECKS:
            try:
                print(f"ok    {check(image)}", flush=True)
            except Failed as error:
                print(f"FAIL  {check.__name__}: {error}", flush=True)
                return 1
    finally:
        shutil.rmtree(work)
    print(f"{len(CHECKS)} checks passed")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python container/check_image.py docker|podman IMAGE")
    sys.exit(main(*sys.argv[1:]))
