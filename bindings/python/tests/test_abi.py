"""_abi.py agrees with cloze.h: layouts by the C compiler, names and constants by the header's text."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import cloze
from cloze import _abi
from conftest import ROOT

HEADER = (ROOT / "include" / "cloze.h").read_text()
CODE = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.DOTALL)
STRUCTS = re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", CODE, re.DOTALL)
CONSTANTS = {
    name: int(value) for name, value in re.findall(r"#define CLOZE_(\w+) (\d+)", CODE) if "VERSION" not in name}


def python_name(struct: str) -> str:
    return "".join(part.capitalize() for part in struct.removeprefix("cloze_").split("_"))


def fields(body: str) -> list[str]:
    return [re.search(r"(\w+)$", field.strip())[1] for field in body.split(";") if field.strip()]


def test_the_header_was_understood() -> None:
    assert len(STRUCTS) >= 14 and len(CONSTANTS) >= 45


def test_constants_are_those_of_the_header() -> None:
    here = {name: value for name, value in vars(_abi).items() if name.isupper() and isinstance(value, int)}
    assert here == CONSTANTS


def test_every_struct_is_here_with_its_fields() -> None:
    for name, body in STRUCTS:
        assert [field[0] for field in getattr(_abi, python_name(name))._fields_] == fields(body), name


def test_layout_is_what_the_compiler_makes_of_it(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler")
    lines = []
    for name, body in STRUCTS:
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        for field in fields(body):
            lines.append(
                f'printf("{name}.{field} %zu %zu\\n", offsetof({name}, {field}), sizeof((({name} *)0)->{field}));')
    source = tmp_path / "layout.c"
    source.write_text("#include <stdio.h>\n#include <cloze.h>\nint main(void) {\n" + "\n".join(lines) + "\n}\n")
    subprocess.run([compiler, "-I", ROOT / "include", source, "-o", tmp_path / "layout"], check=True)
    printed = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout
    here = []
    for name, body in STRUCTS:
        struct = getattr(_abi, python_name(name))
        here.append(f"{name} {ctypes.sizeof(struct)}")
        for field in fields(body):
            place = getattr(struct, field)
            here.append(f"{name}.{field} {place.offset} {place.size}")
    assert printed.split("\n")[:-1] == here


def test_every_function_is_declared_with_as_many_arguments() -> None:
    declared = {
        name: 0 if arguments.strip() == "void" else arguments.count(",") + 1
        for name, arguments in re.findall(r"CLOZE_API [^;]*?(cloze_\w+)\(([^;]*)\);", CODE)}
    assert len(declared) >= 26
    assert {name: len(types) for name, (_, types) in _abi.PROTOTYPES.items()} == declared


def test_names_come_in_the_order_of_the_header() -> None:
    places = [CODE.index(f"{name}(") for name in _abi.PROTOTYPES]
    assert places == sorted(places)


def test_status_words_are_those_of_the_header() -> None:
    from cloze._library import lib

    for name in list(CONSTANTS)[: list(CONSTANTS).index("INTERNAL") + 1]:
        assert lib.cloze_status_name(CONSTANTS[name]).decode() == name.lower()
    assert lib.cloze_status_name(99) == b"unknown"


def test_version_is_that_of_the_header() -> None:
    parts = re.findall(r"#define CLOZE_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", HEADER)
    assert cloze.__version__ == ".".join(parts)
