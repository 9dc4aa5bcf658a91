"""`nox -s tests | lint | types | smoke | minimums | tests-newest`: each installs what it needs, CI runs the same."""

import nox

nox.options.sessions = ["lint", "types", "tests", "smoke"]
nox.options.reuse_existing_virtualenvs = True
# The tests' networks are tiny: two processes of one thread each are faster than one of two.
PYTEST = ("pytest", "--numprocesses", "2")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


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
    """The installed package, not the checkout: smoke to a verdict and a report, from an empty folder."""
    session.install(".")
    session.chdir(session.create_tmp())
    session.run("pse-repro", "smoke", "--device", "cpu", "--fresh", *session.posargs)
    session.run("pse-repro", "compare", "--format", "markdown")
