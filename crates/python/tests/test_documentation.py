"""Examples of docstrings and of the guide run; stubs say what is there."""

import doctest
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fiducial
from conftest import JETS, ROOT, VIEW

GUIDE = ROOT / "docs/guides/python.md"
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


def documented() -> Iterator[tuple[str, str]]:
    """Every docstring of the public package; doctest's own finder does not look into compiled modules."""
    things = {"fiducial": fiducial, "fiducial.physics": fiducial.physics}
    # torch is large, and may be absent; the tests of that part say so themselves.
    names = [name for name in fiducial.__all__ if name != "torch" or importlib.util.find_spec("torch")]
    things |= {f"fiducial.{name}": getattr(fiducial, name) for name in names}
    things |= {f"fiducial.physics.{name}": getattr(fiducial.physics, name) for name in fiducial.physics.__all__}
    for name, thing in things.items():
        yield name, thing.__doc__ or ""
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                if not member.startswith("_") and inspect.getdoc(value):
                    yield f"{name}.{member}", inspect.getdoc(value) or ""


@pytest.mark.parametrize("name", [name for name, text in documented() if ">>>" in text])
def test_examples(name: str, prepared: Path, tmp_path: Path) -> None:
    names = {"fiducial": fiducial, "jets": JETS, "prepared": prepared, "directory": tmp_path, "view": VIEW}
    test = doctest.DocTestParser().get_doctest(dict(documented())[name], names, name, None, None)
    runner, said = doctest.DocTestRunner(optionflags=OPTIONS), []
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_everything_public_is_documented() -> None:
    missing = [name for name, text in documented() if not text.strip()]
    assert missing == []


def test_the_guide_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    needed = {"torch": "torch", "hist": "hist", "polars": "polars", "awkward": "awkward"}
    skipped = []
    (tmp_path / "jets.root").symlink_to(JETS)
    (tmp_path / "view.toml").symlink_to(VIEW)
    (tmp_path / "histograms.root").symlink_to(ROOT / "crates/root/tests/fixtures/histograms.root")
    names: dict[str, object] = {}
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        for block in blocks:
            absent = [need for word, need in needed.items() if word in block and not importable(need)]
            if absent:
                skipped.append(absent[0])
                continue
            exec(compile(block, str(GUIDE), "exec"), names)
    finally:
        os.chdir(before)
    if skipped:
        print(f"skipped: blocks of the guide that need {', '.join(sorted(set(skipped)))}")


def importable(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def test_types_are_checked() -> None:
    pytest.importorskip("mypy", reason="skipped: mypy is not installed")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, cwd=ROOT / "crates/python", capture_output=True, text=True)

    strict = run("mypy", "--strict", "-p", "fiducial")
    assert strict.returncode == 0, strict.stdout + strict.stderr
    stubs = run("mypy.stubtest", "--mypy-config-file", "pyproject.toml", "fiducial._fiducial")
    assert stubs.returncode == 0, stubs.stdout + stubs.stderr
