"""`nox -s tests | lint | types | smoke | pretended-cuda | minimums | tests-newest | tests-locked`, and for what is
handed out `lock | image | sbom | audit`: each installs what it needs, CI runs the same.
"""

import os
import shutil
import subprocess
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests", "smoke"]
nox.options.reuse_existing_virtualenvs = True
# The tests' networks are tiny: two processes of one thread each are faster than one of two. Long tests come last.
PYTEST = ("pytest", "--numprocesses", "2", "--dist", "worksteal")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
# uv's releases may write the same lock in another form: --check compares with what this one writes.
UV = "uv==0.13.9"
LOCK = (
    "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes",
    "--no-emit-index-url", "--no-emit-find-links", "--no-header",
)  # fmt: skip


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite with branch coverage; arguments after -- go to pytest."""
    session.install("-e", ".[test]")
    session.run(*PYTEST, "--cov", "--cov-report=term-missing:skip-covered", *session.posargs, env=ONE_THREAD)


@nox.session(python="3.11")
def minimums(session: nox.Session) -> None:
    """The test suite on the lowest Python and the lowest versions that pyproject.toml allows."""
    session.install("uv")
    # --upgrade: in an environment that is used again, too, the lowest versions instead of what is there.
    session.run("uv", "pip", "install", "--upgrade", "--resolution", "lowest-direct", "-e", ".[test]")
    session.run(*PYTEST, *session.posargs, env=ONE_THREAD)


@nox.session(name="tests-newest")
@nox.parametrize("options", [nox.param([], id="releases"), nox.param(["--pre"], id="pre-releases")])
def tests_newest(session: nox.Session, options: list[str]) -> None:
    """The test suite on the newest versions of everything: `nox -s "tests-newest(releases)"`, or (pre-releases)."""
    session.install("--upgrade", "--upgrade-strategy", "eager", *options, "-e", ".[test]", silent=False)
    session.run(*PYTEST, *session.posargs, env=ONE_THREAD)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    session.install("ruff>=0.9")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def smoke(session: nox.Session) -> None:
    """The installed package, not the checkout: smoke, of all objectives, too, to a verdict, from an empty folder."""
    session.install(".")
    session.chdir(session.create_tmp())
    session.run("pse-repro", "smoke", "--objectives", "--device", "cpu", "--fresh")
    session.run("pse-repro", "smoke", "--device", "cpu", "--fresh", *session.posargs)
    session.run("pse-repro", "compare", "--format", "markdown")


@nox.session(name="pretended-cuda")
def pretended_cuda(session: nox.Session) -> None:
    """The tests of a GPU on a pretended one, the slow ones too: the study's networks, and smoke to a verdict."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests.support.pretended_cuda", "tests/cuda", *session.posargs)


@nox.session(name="tests-locked")
def tests_locked(session: nox.Session) -> None:
    """The test suite on the versions of requirements/test.lock, each proven by its hash."""
    for name in ("test", "build"):
        session.install("--require-hashes", "-r", f"requirements/{name}.lock")
    session.install("--no-deps", "--no-build-isolation", ".")
    session.run(*PYTEST, *session.posargs, env=ONE_THREAD)


@nox.session
def lock(session: nox.Session) -> None:
    """Lock files for every Python and platform: what pyproject.toml newly asks for, and the versions locked before.

    -- --upgrade takes the newest of all; -- --check writes nothing, and fails where something would change.
    """
    session.install(UV)
    work = Path(session.create_tmp())
    build = work / "build-system.in"
    build.write_text("\n".join(nox.project.load_toml("pyproject.toml")["build-system"]["requires"]))
    sources = {
        "run": ("pyproject.toml",),
        "test": ("pyproject.toml", "--extra", "test", "--constraint", "requirements/run.lock"),
        "build": (str(build), "--constraint", "requirements/test.lock", "--no-annotate"),
    }
    check, upgrade = ("--check" in session.posargs, [word for word in session.posargs if word == "--upgrade"])
    for name, words in sources.items():
        locked, new = Path("requirements", f"{name}.lock"), work / f"{name}.lock"
        shutil.copy(locked, new)  # uv keeps the versions that it finds there
        session.run(*LOCK, *words, *upgrade, "--output-file", str(new), silent=True)
        if check and new.read_bytes() != locked.read_bytes():
            session.error(f"{locked} does not follow from pyproject.toml: run nox -s lock")
        shutil.copy(new, locked)


@nox.session(python=False)
def image(session: nox.Session) -> None:
    """Build the container image, then do with it what its users do; arguments after -- go to the build."""
    engine = next((name for name in ("docker", "podman", "buildah") if _answers(name)), None)
    if engine is None:
        session.skip("neither docker nor podman nor buildah is here")
    version = nox.project.load_toml("pyproject.toml")["project"]["version"]
    revision = session.run("git", "rev-parse", "HEAD", silent=True, external=True).strip()
    facts = {"VERSION": version, "REVISION": revision, "SOURCE": os.environ.get("SOURCE_URL", "unknown")}
    options = [word for name, fact in facts.items() for word in ("--build-arg", f"{name}={fact}")]
    session.run(engine, "build", "--tag", "pse-repro", *options, *session.posargs, ".", external=True)
    if engine == "buildah":
        session.skip("built, not checked: buildah runs no containers as users do, docker and podman do")
    session.run("python3", "container/check_image.py", engine, "pse-repro", external=True)


def _answers(engine: str) -> bool:
    """Whether the engine is installed, and for docker, whether its daemon runs."""
    return bool(shutil.which(engine)) and subprocess.run([engine, "info"], capture_output=True).returncode == 0


@nox.session
def sbom(session: nox.Session) -> None:
    """dist/sbom.cdx.json: what the image's Python packages are, with their hashes, as CycloneDX."""
    session.install("cyclonedx-bom>=7")
    Path("dist").mkdir(exist_ok=True)
    session.run(
        "cyclonedx-py", "requirements", "requirements/run.lock", "--pyproject", "pyproject.toml",
        "--output-reproducible", "--validate", "--output-file", "dist/sbom.cdx.json",
    )  # fmt: skip


@nox.session
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of what the lock files name."""
    session.install("pip-audit>=2.10")
    for name in ("run", "test", "build"):
        session.run("pip-audit", "--require-hashes", "--disable-pip", "--strict", "-r", f"requirements/{name}.lock")
