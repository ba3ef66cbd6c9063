"""The kernels' machine code: the instructions it uses, and that accumulators of tiles stay in registers."""

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, compiler

KERNELS = ROOT / "Sources" / "CClozeKernels"
CLANG = compiler("clang")
ARM = Path("/usr/aarch64-linux-gnu/include")

pytestmark = pytest.mark.skipif(CLANG is None, reason="clang, which comes with Swift, was not found")
x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the machine is not x86-64")

# What the registers and encodings of newer instruction sets look like in AT&T syntax: names of VEX and EVEX
# instructions begin with v (those of plain x86-64 do so only in verr and verw, for kernels of systems); BMI and the like
# have names of their own.
NEWER = re.compile(r"%[yz]mm|%k[0-7]\b|\tv(?!err|erw)\w+|\t(andn|bextr|blsi|blsr|blsmsk|bzhi|mulx|pdep|pext|rorx"
                   r"|sarx|shlx|shrx|lzcnt|popcnt|movbe|crc32)[lqw]?\b")
# Beyond SSE2, without a new register or encoding: SSSE3 to SSE4.2 instructions that compilers choose.
NEWER_SSE = re.compile(r"\t(pshufb|phadd|pabs|palignr|pmaddubsw|pmulhrsw|psign|p?blend|dpp|insertps|extractps"
                       r"|round[ps]|pextr[bdq]|pinsr[bdq]|pm(?:in|ax)(?:sb|uw|[su]d)\b|pmovsx|pmovzx|pmuld|pmulld|ptest|pcmpeqq|pcmpgtq|pcmpestr)")


def disassemble(source, folder, target="x86_64-linux-gnu"):
  """The instructions of each function of a source file, compiled as in a release, as lists of lines."""
  made = folder / (source.parent.name + "-" + source.stem + ".o")
  subprocess.run(
      [CLANG, f"--target={target}", *(["-isystem", ARM] if target.startswith("aarch64") else []), "-std=c11", "-O2",
       "-Wall", "-Werror", "-I", KERNELS / "include", "-c", source, "-o", made],
      check=True)
  objdump = "aarch64-linux-gnu-objdump" if target.startswith("aarch64") else "objdump"
  listing = subprocess.run([objdump, "-d", "--no-show-raw-insn", made], check=True, capture_output=True, text=True)
  functions, lines = {}, []
  for line in listing.stdout.splitlines():
    if named := re.fullmatch(r"[0-9a-f]+ <(\S+)>:", line):
      lines = functions.setdefault(named[1], [])
    elif "\t" in line:
      lines.append(line)
  return functions


def loops(lines):
  """The innermost loops of a function: the lines from the target of a jump backwards to the jump."""
  at = {int(line.split(":")[0], 16): i for i, line in enumerate(lines)}
  found = []
  for i, line in enumerate(lines):
    jump = re.search(r"\t(?:j\w+ +|b(?:\.\w+)?\t|cbn?z\t\w+, )([0-9a-f]+) <", line)
    if jump and (start := at.get(int(jump[1], 16), i + 1)) <= i:
      found.append((start, i))
  return [lines[a:b + 1] for a, b in found if not any(a <= c and d <= b and (a, b) != (c, d) for c, d in found)]


@x86
@pytest.mark.parametrize("source", ["dispatch.c", "float_environment.c", "scalar/kernels.c"])
def test_what_every_cpu_runs_has_no_newer_instructions(source, tmp_path):
  functions = disassemble(KERNELS / source, tmp_path)
  assert functions
  for name, lines in functions.items():
    newer = [line for line in lines if NEWER.search(line) or NEWER_SSE.search(line)]
    assert not newer, f"{name}: {newer[0].strip()}"


@x86
@pytest.mark.parametrize("isa, registers", [("avx2", "%ymm"), ("avxvnni", "%ymm"), ("avx512vnni", "%zmm"),
                                            ("avx512amx", "%zmm")])
def test_variant_uses_its_registers_and_no_wider_ones(isa, registers, tmp_path):
  functions = {name: "\n".join(lines) for name, lines in disassemble(KERNELS / isa / "kernels.c", tmp_path).items()}
  assert any(NEWER.search(line) for text in functions.values() for line in text.splitlines())
  floats = ["multiply_f32", "layernorm", "activate", "softmax", "training_multiply", "attention_backward", "adamw"]
  for operator in ["multiply_int8", "attention_int8"] + (floats if isa not in ("avxvnni", "avx512amx") else []):
    assert registers in functions[f"cloze_{operator}__{isa}"], operator
  if registers == "%ymm":
    assert not any(re.search(r"%zmm|%k[0-7]\b|%[xy]mm(1[6-9]|[23]\d)", text) for text in functions.values())


@x86
@pytest.mark.parametrize("isa", ["avx2", "avxvnni", "avx512vnni", "avx512amx"])
def test_vector_kernels_call_no_mathematics(isa, tmp_path):
  disassemble(KERNELS / isa / "kernels.c", tmp_path)
  listing = subprocess.run(["nm", "-u", tmp_path / f"{isa}-kernels.o"], check=True, capture_output=True, text=True)
  assert set(listing.stdout.split()) - {"U"} <= {"memcpy", "memset", "_GLOBAL_OFFSET_TABLE_"}


def tiles(lines, product):
  """The inner loops of a tile that multiply, by how many products they hold."""
  found = {}
  for loop in loops(lines):
    if count := sum(product in line for line in loop):
      assert count not in found, f"two loops of {count} {product}"
      found[count] = loop
  return found


@x86
@pytest.mark.parametrize("isa, tile, product", [
    ("avx512vnni", "int8_tile", "vpdpbusd"), ("avx512vnni", "float_tile", "vfmadd"),
    ("avx512bf16", "float_tile", "vdpbf16ps")])
def test_avx512_tiles_keep_their_sums_in_registers(isa, tile, product, tmp_path):
  """A loop for each number of rows, one step of p long, that touches memory only to read its operands."""
  functions = disassemble(KERNELS / isa / "kernels.c", tmp_path)
  lines = functions.get(tile) or pytest.fail(f"{tile} was inlined; look for its loops elsewhere")
  found = tiles(lines, product)
  assert sorted(found) == [2 * rows for rows in range(1, 13)]
  for count, loop in found.items():
    sums = {re.search(r"(%zmm\d+)$", line.rstrip())[1] for line in loop if product in line}
    assert len(sums) == count, "a sum has no register of its own"
    assert not any("%rsp" in line or "%rbp" in line for line in loop), "a register is spilled"
    assert not any(re.search(r"\tv?mov\w+ +%zmm\d+,", line) for line in loop), "a sum is moved or stored in the loop"


@x86
@pytest.mark.parametrize("tile, product", [("int8_tile", "tdpbsud"), ("attention_tile", "tdpbusd")])
def test_amx_tiles_load_each_operand_once_for_two_products(tile, product, tmp_path):
  """A loop for 32 rows and one for up to 16; nothing but loads of tiles and products touches tiles in them."""
  lines = disassemble(KERNELS / "avx512amx" / "kernels.c", tmp_path).get(tile) or pytest.fail(f"{tile} was inlined")
  found = tiles(lines, product)
  assert sorted(found) == [2, 4]
  for count, loop in found.items():
    on_tiles = [line.split("\t")[1].split()[0] for line in loop if "%tmm" in line]
    assert sorted(on_tiles) == sorted([product] * count + ["tileloadd"] * (2 + count // 2))
    sums = {re.search(r"(%tmm\d)$", line.rstrip())[1] for line in loop if product in line}
    assert len(sums) == count
    assert not any("%rsp" in line for line in loop), "a register is spilled"


@x86
def test_amx_releases_its_tiles(tmp_path):
  """Each operator that configures tiles gives them back at its only end: other code expects them unused."""
  functions = disassemble(KERNELS / "avx512amx" / "kernels.c", tmp_path)
  for operator in ["multiply_int8", "attention_int8"]:
    lines = functions[f"cloze_{operator}__avx512amx"]
    ends = [i for i, line in enumerate(lines) if "\tret" in line]
    assert len(ends) == 1 and any("tilerelease" in line for line in lines[:ends[0]])
    assert not any("ldtilecfg" in line for line in lines[next(i for i, line in enumerate(lines) if "tilerelease" in line):])


@x86
@pytest.mark.parametrize(
    "tile, product", [("int8_tile", "vpmaddubsw"), ("attention_tile", "vpmaddwd"), ("float_tile", "vfmadd")])
def test_avx2_tiles_keep_their_sums_in_registers(tile, product, tmp_path):
  lines = disassemble(KERNELS / "avx2" / "kernels.c", tmp_path).get(tile) or pytest.fail(f"{tile} was inlined")
  loop = next((loop for loop in loops(lines) if sum(product in line for line in loop) % 12 == 0
               and any(product in line for line in loop)), None)
  assert loop, "no loop for six rows"
  assert not any("%rsp" in line or "%rbp" in line for line in loop), "a register is spilled"


@x86
@pytest.mark.parametrize("tile, product", [("int8_tile", "vpdpbusd"), ("attention_tile", "vpdpbusd")])
def test_avxvnni_tiles_keep_their_sums_in_registers(tile, product, tmp_path):
  """The loop for six rows: two registers of weights, then for each row one of activations and two products."""
  lines = disassemble(KERNELS / "avxvnni" / "kernels.c", tmp_path).get(tile) or pytest.fail(f"{tile} was inlined")
  loop = next((loop for loop in loops(lines) if sum(product in line for line in loop) == 12), None)
  assert loop, "no loop for six rows"
  assert not any("%rsp" in line or "%rbp" in line for line in loop), "a register is spilled"
  assert sum("vpbroadcast" in line or "vbroadcast" in line for line in loop) == 6
  assert sum("(" in line for line in loop if "prefetch" not in line) == 8


# The products of a step of twelve rows by eight columns, and all instructions of that step.
@pytest.mark.parametrize("isa, tile, product, products, instructions", [
    ("neondot", "byte_tile", "udot", 24, 30), ("neondot", "float_tile", "fmla", 24, 30),
    ("neoni8mm", "int8_tile", "ummla", 24, 37), ("neoni8mm", "attention_tile", "usmmla", 24, 37),
    ("neoni8mm", "float_tile", "fmla", 24, 30)])
def test_arm_tiles_keep_their_sums_in_registers(isa, tile, product, products, instructions, tmp_path):
  """No loop that multiplies touches the stack, and that of a whole tile has no instruction too many."""
  if not ARM.exists() or shutil.which("aarch64-linux-gnu-objdump") is None:
    pytest.skip("libc6-dev-arm64-cross or binutils-aarch64-linux-gnu is not installed")
  functions = disassemble(KERNELS / isa / "kernels.c", tmp_path, "aarch64-linux-gnu")
  lines = functions.get(tile) or pytest.fail(f"{tile} was inlined")
  multiply = [loop for loop in loops(lines) if any(f"\t{product}\t" in line for line in loop)]
  assert not any("[sp" in line for loop in multiply for line in loop), "a register is spilled"
  whole = min((loop for loop in multiply if sum(f"\t{product}\t" in line for line in loop) == products), key=len,
              default=None) or pytest.fail("no loop for twelve rows")
  assert len(whole) <= instructions


@x86
def test_forced_variant_runs_or_fails(tmp_path):
  """The program that compares variants tells one that ran from one that the CPU lacks."""
  program = tmp_path / "agree"
  subprocess.run(
      [CLANG, "-std=c11", "-O2", "-I", KERNELS / "include", "-o", program, ROOT / "Tests" / "Kernels" / "agree.c",
       *sorted(KERNELS.glob("*.c")), *sorted(KERNELS.glob("*/*.c")), "-lm"],
      check=True)
  flags = Path("/proc/cpuinfo").read_text().split()
  for isa, flag in [("scalar", "fpu"), ("avx2", "avx2"), ("avxvnni", "avx_vnni"),
                    ("avx512vnni", "avx512_vnni"), ("avx512amx", "amx_int8"), ("unheard-of", "unheard-of")]:
    forced = subprocess.run([program, isa], capture_output=True, text=True)
    assert forced.returncode == (0 if flag in flags else 2), forced.stderr
    assert (f"{isa}: rows" in forced.stdout) == (flag in flags)
