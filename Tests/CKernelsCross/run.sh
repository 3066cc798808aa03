#!/usr/bin/env bash
# Builds the kernels with their cases for this machine and, with the clang of Swift, for aarch64,
# which an emulator runs. Every tier must equal the scalar one, and both architectures each other.
# The seed can be given.
set -euo pipefail
cd "$(dirname "$0")/../.."
seed=${1:-$(date +%s%N)}
out=.build/cross
mkdir -p "$out"
mapfile -t sources < <(find Sources/CKernels Tests/CKernelsCross Tests/AMXModel -name '*.c' | sort)
flags=(-std=gnu17 -O2 -Wall -Wextra -Werror -I Sources/CKernels/include
  -I Tests/AMXModel/include)

clang "${flags[@]}" "${sources[@]}" -o "$out/here" -lm
clang --target=aarch64-linux-gnu -static -fuse-ld=lld "${flags[@]}" "${sources[@]}" \
  -o "$out/aarch64" -lm

here=$("$out/here" "$seed")
# A processor of ARMv8.2 with the dot products and nothing later; then one without them.
neon=$(qemu-aarch64-static -cpu neoverse-n1 "$out/aarch64" "$seed" 1)
plain=$(qemu-aarch64-static -cpu cortex-a53 "$out/aarch64" "$seed" 0)
if [ "$here" != "$neon" ] || [ "$here" != "$plain" ]; then
  echo "seed $seed: the scalar results differ between architectures: $here $neon $plain" >&2
  exit 1
fi
echo "aarch64 and $(uname -m) return the same bits (seed $seed)"
