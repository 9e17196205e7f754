#!/usr/bin/env bash
# Installs the system libraries that the build needs, where they are missing. Touches no network when all are there.
set -euo pipefail

packages=(libopenblas-dev libhdf5-dev libopenmpi-dev openmpi-bin pkg-config)

# What the build really asks for, so that machines without dpkg pass too.
complete() {
  command -v pkg-config >/dev/null && pkg-config --exists hdf5 ompi-c || return 1
  command -v mpirun >/dev/null || return 1
  local blas
  # Not `ldconfig | grep -q`: grep would leave early, and pipefail report the broken pipe.
  blas=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null) || return 1
  [[ $blas == *libopenblas.so* ]] || return 1
  if command -v dpkg-query >/dev/null; then
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' libopenblas-dev 2>/dev/null) == installed ]]
  fi
}

if ! command -v swift >/dev/null; then
  echo "swift: expected a Swift toolchain (6.1 or newer) on PATH, found none; try https://www.swift.org/install/linux" >&2
  exit 1
fi

complete && exit 0

refuse() {
  echo "packages: expected ${packages[*]}, found at least one missing, and $1; try: apt-get install ${packages[*]}" >&2
  echo "(elsewhere: the development files of OpenBLAS with its C header, HDF5 1.10.7 or newer, Open MPI with mpirun, and pkg-config)" >&2
  exit 1
}

command -v apt-get >/dev/null || refuse "no apt-get to install it with"
as_root=(env DEBIAN_FRONTEND=noninteractive)
if [[ $(id -u) != 0 ]]; then
  command -v sudo >/dev/null || refuse "neither root nor sudo to install it with"
  as_root=(sudo env DEBIAN_FRONTEND=noninteractive)
fi

echo "installing what is missing of ${packages[*]}"
"${as_root[@]}" apt-get update || refuse "apt-get update failed"
"${as_root[@]}" apt-get install --yes --no-install-recommends "${packages[@]}" || refuse "apt-get install failed"
complete || refuse "apt-get did not provide it"
