"""Sessions for development and releases; each installs what it needs, and CI runs the same ones.

Development: tests, long, lint, types, smoke, pretended-cuda, shortcuts, soak, minimums, tests-newest, tests-locked.
Releases: lock, image, sbom, audit.
"""

import os
import shutil
import subprocess
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests", "smoke"]
nox.options.reuse_existing_virtualenvs = True
# The tests' networks are tiny: two processes with one thread each are faster than one with two. Long tests run last.
PYTEST = ("pytest", "--numprocesses", "2", "--dist", "worksteal")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
# Pinned because --check compares bytes, and other releases of uv may format the same lock differently.
UV = "uv==0.13.9"
LOCK = (
    "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes",
    "--no-emit-index-url", "--no-emit-find-links", "--no-header",
)  # fmt: skip


@nox.session
def tests(session: nox.Session) -> None:
    """Run the test suite with branch coverage; arguments after -- go to pytest."""
    session.install("-e", ".[test]")
    session.run(*PYTEST, "--cov", "--cov-report=term-missing:skip-covered", *session.posargs, env=ONE_THREAD)


@nox.session
def long(session: nox.Session) -> None:
    """Run the tests that take minutes: whole runs, killed and damaged ones, and the bench."""
    session.install("-e", ".[test]")
    session.run(*PYTEST, *map(str, Path("tests").rglob("long_*.py")), *session.posargs, env=ONE_THREAD)


@nox.session(python="3.11")
def minimums(session: nox.Session) -> None:
    """Run the test suite on the lowest Python and the lowest versions that pyproject.toml allows."""
    session.install("uv")
    # Without --upgrade, a reused environment would keep the versions that it has.
    session.run("uv", "pip", "install", "--upgrade", "--resolution", "lowest-direct", "-e", ".[test]")
    session.run(*PYTEST, *session.posargs, env=ONE_THREAD)


@nox.session(name="tests-newest")
@nox.parametrize("options", [nox.param([], id="releases"), nox.param(["--pre"], id="pre-releases")])
def tests_newest(session: nox.Session, options: list[str]) -> None:
    """Run the test suite on the newest versions: `nox -s "tests-newest(releases)"`, or (pre-releases)."""
    session.install("--upgrade", "--upgrade-strategy", "eager", *options, "-e", ".[test]", silent=False)
    session.run(*PYTEST, *session.posargs, env=ONE_THREAD)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the code with Ruff: rules and format."""
    session.install("ruff>=0.9")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types with mypy in strict mode."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def smoke(session: nox.Session) -> None:
    """Install the package and run smoke from an empty folder, for all objectives and then to a verdict."""
    session.install(".")
    session.chdir(session.create_tmp())
    session.run("pse-repro", "smoke", "--objectives", "--device", "cpu", "--fresh")
    session.run("pse-repro", "smoke", "--device", "cpu", "--fresh", *session.posargs)
    session.run("pse-repro", "compare", "--format", "markdown")


@nox.session(name="pretended-cuda")
def pretended_cuda(session: nox.Session) -> None:
    """Run the GPU tests on a pretended GPU, including the slow ones: the study's networks, and smoke to a verdict."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests.support.pretended_cuda", "tests/cuda", *session.posargs)


@nox.session
def shortcuts(session: nox.Session) -> None:
    """Train the objectives that ask for places on images without content, which must not teach them anything."""
    session.install("-e", ".[test]")
    session.run(*PYTEST, "tests/training/train_shortcuts.py", *session.posargs, env=ONE_THREAD)


@nox.session
def soak(session: nox.Session) -> None:
    """Kill a study, damage its runs, repeat it for long: -- kills --kills 100, -- damage, or -- steady --minutes 60."""
    session.install("-e", ".[test]")
    known = ("kills", "damage", "steady")
    names = [word for word in session.posargs if word in known]
    options = [word for word in session.posargs if word not in names]
    if options and len(names) != 1:
        session.error("options belong to one of them, as in: nox -s soak -- kills --kills 100")
    for name in names or known:
        session.run("python", "-m", f"tests.soak.{name}", *options, env=ONE_THREAD)


@nox.session(name="tests-locked")
def tests_locked(session: nox.Session) -> None:
    """Run the test suite on the versions of requirements/test.lock, each verified by its hash."""
    for name in ("test", "build"):
        session.install("--require-hashes", "-r", f"requirements/{name}.lock")
    session.install("--no-deps", "--no-build-isolation", ".")
    session.run(*PYTEST, *session.posargs, env=ONE_THREAD)


@nox.session
def lock(session: nox.Session) -> None:
    """Write the lock files for every Python and platform; versions locked before are kept if they still satisfy.

    -- --upgrade takes the newest version of every package; -- --check writes nothing and fails if a file would change.
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
        shutil.copy(locked, new)  # uv keeps the versions that it finds in its output file
        session.run(*LOCK, *words, *upgrade, "--output-file", str(new), silent=True)
        if check and new.read_bytes() != locked.read_bytes():
            session.error(f"{locked} does not follow from pyproject.toml: run nox -s lock")
        shutil.copy(new, locked)


@nox.session(python=False)
def image(session: nox.Session) -> None:
    """Build the container image and check it in use; arguments after -- go to the build."""
    engine = next((name for name in ("docker", "podman", "buildah") if _answers(name)), None)
    if engine is None:
        session.skip("none of docker, podman and buildah is available")
    version = nox.project.load_toml("pyproject.toml")["project"]["version"]
    revision = session.run("git", "rev-parse", "HEAD", silent=True, external=True).strip()
    facts = {"VERSION": version, "REVISION": revision, "SOURCE": os.environ.get("SOURCE_URL", "unknown")}
    options = [word for name, fact in facts.items() for word in ("--build-arg", f"{name}={fact}")]
    session.run(engine, "build", "--tag", "pse-repro", *options, *session.posargs, ".", external=True)
    if engine == "buildah":
        session.skip("built but not checked: the checks need docker or podman")
    session.run("python3", "container/check_image.py", engine, "pse-repro", external=True)


def _answers(engine: str) -> bool:
    """Return True if the engine is installed and, for docker, its daemon is running."""
    return bool(shutil.which(engine)) and subprocess.run([engine, "info"], capture_output=True).returncode == 0


@nox.session
def sbom(session: nox.Session) -> None:
    """Write dist/sbom.cdx.json: the image's Python packages with their hashes, in CycloneDX format."""
    session.install("cyclonedx-bom>=7")
    Path("dist").mkdir(exist_ok=True)
    session.run(
        "cyclonedx-py", "requirements", "requirements/run.lock", "--pyproject", "pyproject.toml",
        "--output-reproducible", "--validate", "--output-file", "dist/sbom.cdx.json",
    )  # fmt: skip


@nox.session
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities of the locked packages."""
    session.install("pip-audit>=2.10")
    for name in ("run", "test", "build"):
        session.run("pip-audit", "--require-hashes", "--disable-pip", "--strict", "-r", f"requirements/{name}.lock")
