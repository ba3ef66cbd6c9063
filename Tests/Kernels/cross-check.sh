#!/bin/sh
# Runs the kernels of other CPUs and compares hashes of everything they compute with those of this machine's scalar ones:
# the arithmetic must not depend on the instruction set or the compiler's back end. What runs: scalar on an x86-64 CPU
# without AVX; avxvnni, its dot products emulated where this CPU lacks them (emulate_avxvnni.c); and on aarch64 scalar
# alone, with dot products of bytes, and with matrix products too, each on a CPU that has no more than it needs.
#
# Debian packages: qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross. Without them it says so and exits with 77.
set -eu
cd "$(dirname "$0")/../.."
for program in clang qemu-aarch64 qemu-x86_64 aarch64-linux-gnu-gcc; do
  command -v "$program" >/dev/null || { echo "skipped: $program is not installed" >&2; exit 77; }
done
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
kernels=Sources/CClozeKernels
flags="-std=c11 -O2 -Wall -Wextra -Werror -I $kernels/include"

clang $flags -static -o "$build/x86" Tests/Kernels/agree.c Tests/Kernels/emulate_avxvnni.c \
  $kernels/*.c $kernels/*/*.c -lm
for source in Tests/Kernels/agree.c $kernels/*.c $kernels/*/*.c; do
  clang --target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include $flags -c "$source" \
    -o "$build/$(echo "$source" | tr / _).o"
done
aarch64-linux-gnu-gcc -static -o "$build/aarch64" "$build"/*.o -lm

"$build/x86" >"$build/here" || { cat "$build/here"; echo "this machine's variants disagree" >&2; exit 1; }
sed -n 's/^scalar: //p' "$build/here" >"$build/expected"
status=0
# check NAME "VARIANTS" PROGRAM...: runs agree, which fails where its variants disagree or one of VARIANTS did not run;
# these and no others must have run, with the bits of this machine.
check() {
  name=$1 variants=$2
  shift 2
  "$@" $variants >"$build/found" || { cat "$build/found"; echo "$name: variants disagree" >&2; status=1; }
  ran=$(cut -d: -f1 "$build/found" | uniq | tr '\n' ' ')
  [ "$ran" = "$variants " ] || { echo "$name: ran $ran, not $variants" >&2; status=1; }
  sed -n 's/^scalar: //p' "$build/found" >"$build/scalar"
  diff "$build/expected" "$build/scalar" || { echo "$name: scalar differs" >&2; status=1; }
}
check "plain x86-64" "scalar" qemu-x86_64 -cpu qemu64 "$build/x86"
check "Cortex-A72" "scalar" qemu-aarch64 -cpu cortex-a72 "$build/aarch64"
check "Cortex-A76" "scalar neondot" qemu-aarch64 -cpu cortex-a76 "$build/aarch64"
check "aarch64 with everything" "scalar neondot neoni8mm" qemu-aarch64 -cpu max "$build/aarch64"
if [ $status = 0 ]; then
  here=$(cut -d: -f1 "$build/here" | uniq | tr '\n' ' ')
  echo "the same bits on ${here}here, plain x86-64 and aarch64 with neondot and neoni8mm"
fi
exit $status
