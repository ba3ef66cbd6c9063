#!/bin/sh
# Runs the scalar kernels built for aarch64, and on an x86-64 CPU without AVX, and compares hashes of everything they
# compute with this machine's: the arithmetic must not depend on the instruction set or the compiler's back end.
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

clang $flags -static -o "$build/x86" Tests/Kernels/agree.c $kernels/*.c $kernels/*/*.c -lm
for source in Tests/Kernels/agree.c $kernels/*.c $kernels/*/*.c; do
  clang --target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include $flags -c "$source" \
    -o "$build/$(echo "$source" | tr / _).o"
done
aarch64-linux-gnu-gcc -static -o "$build/aarch64" "$build"/*.o -lm

"$build/x86" >"$build/here" # fails where this machine's variants disagree
grep '^scalar: ' "$build/here" >"$build/expected"
qemu-x86_64 -cpu qemu64 "$build/x86" >"$build/plain"
qemu-aarch64 "$build/aarch64" | grep '^scalar: ' >"$build/arm"
status=0
diff "$build/expected" "$build/plain" || { echo "a plain x86-64 CPU differs" >&2; status=1; }
diff "$build/expected" "$build/arm" || { echo "aarch64 differs" >&2; status=1; }
[ $status = 0 ] && echo "the same bits on $(cut -d: -f1 "$build/here" | sort -u | tr '\n' ' ')here, plain x86-64 and aarch64"
exit $status
