#!/usr/bin/env bash
# Builds the image `hadal` with podman, from nothing but Debian's packages and the Swift toolchain
# of this machine: no registry of images is needed. As root, with debootstrap and podman.
#
#   deploy/container/build.sh [OPTION OF podman build]...
#
# such as --build-arg TESTS=no. HADAL_ is the program's own prefix, so settings of this script are:
#   MIRROR   where Debian's packages come from     VOLUMES   more --volume arguments for the build
set -euo pipefail
cd "$(dirname "$0")/../.."

mirror=${MIRROR:-http://deb.debian.org/debian}
toolchain=$(cd "$(dirname "$(readlink -f "$(command -v swift)")")/../.." && pwd)
read -ra volumes <<< "${VOLUMES:-}"

# What the toolchain needs (https://www.swift.org/install/linux/debian/12/), and make.
swift_packages=(binutils ca-certificates gcc git libc6-dev libcurl4 libedit2 libgcc-12-dev
  libncurses6 libpython3.11 libsqlite3-0 libstdc++-12-dev libxml2-dev libz3-dev make pkg-config
  python3 tzdata unzip zlib1g-dev)

# base NAME PACKAGES [CHANGE]: an image of a minimal Debian with more packages, made once.
base() {
  podman image exists "localhost/$1" && return
  local root
  root=$(mktemp -d)
  debootstrap --variant=minbase ${2:+--include="$2"} bookworm "$root" "$mirror"
  rm -rf "$root"/var/cache/apt/archives/*.deb
  tar -C "$root" -c . | podman import ${3:+--change "$3"} - "localhost/$1"
  rm -rf "$root"
}

base hadal-debian:12 ""
base hadal-swift:6.3 "$(IFS=,; echo "${swift_packages[*]}")" \
  "ENV PATH=$toolchain/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The format of Docker, because that of OCI has no health check.
podman build --format docker --tag hadal \
  --build-arg SWIFT_IMAGE=localhost/hadal-swift:6.3 \
  --build-arg BASE_IMAGE=localhost/hadal-debian:12 \
  --volume "$toolchain:$toolchain:ro" "${volumes[@]/#/--volume=}" "$@" .
