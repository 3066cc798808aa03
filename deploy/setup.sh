#!/usr/bin/env bash
# Installs the Debian packages that building Hadal needs, as far as they are missing; with the word
# "tests", those of the tests too; with the word "aarch64", those of the kernels' cross test instead.
# Does nothing, and needs no rights, when all are there.
set -euo pipefail

fail() {
  echo "setup: $*" >&2
  exit 1
}

command -v swift > /dev/null || fail "no 'swift' in PATH: install Swift 6.3 first" \
  "(https://www.swift.org/install/linux/debian/12/)"

packages=(libpcre2-dev libssl-dev libxxhash-dev zlib1g-dev)
if [ "${1:-}" = tests ]; then
  packages+=(curl openssl haproxy)
  python3 -c 'import ensurepip, venv' 2> /dev/null || packages+=(python3-venv)
  # Images of the toolchain come without.
  command -v make > /dev/null || packages+=(make)
elif [ "${1:-}" = aarch64 ]; then
  packages=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static)
fi

command -v dpkg-query > /dev/null || {
  echo "setup: this is no Debian; make sure that what Debian calls ${packages[*]} is installed" >&2
  exit 0
}
missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=(env)
elif command -v sudo > /dev/null; then
  as_root=(sudo)
else
  fail "please run as root, or install sudo: apt-get install ${missing[*]}"
fi
echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq || fail "cannot refresh the package lists"
"${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  "${missing[@]}" || fail "cannot install; please run as root: apt-get install ${missing[*]}"
