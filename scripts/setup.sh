#!/usr/bin/env bash
# Make .venv from the hash-locked dependencies. `make setup` calls it; running it again costs a few milliseconds and
# no network. Needs Python 3.11-3.13 and nothing else; uv, where it is on PATH, only makes it faster.
#
#   PYTHON=python3.12 bash scripts/setup.sh     use this interpreter (an existing .venv of another version is remade)
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
venv=.venv
say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# --- is there anything to do? -----------------------------------------------------------------------------------------
# Two stamps: the dependencies follow the locks; the project follows its pyproject.toml, its packages and its place.
hash_of() { "$venv/bin/python" -I -S -c '
import hashlib, sys
digest = hashlib.sha256(sys.version.encode())
for argument in sys.argv[1:]:
    digest.update(argument.encode() if argument.startswith(":") else open(argument, "rb").read())
print(digest.hexdigest())' "$@"; }
packages() { for f in tremplin pipelines serving monitoring governance; do [ ! -d "$f" ] || printf '%s ' "$f"; done; }
hash_deps() { hash_of locks/dev.txt locks/data.txt; }
hash_project() { hash_of pyproject.toml ":$PWD" ":$(packages)"; }
fresh() { [ -f "$venv/.stamp-$1" ] && [ "$(cat "$venv/.stamp-$1")" = "$2" ]; }

version_of() { "$@" -I -S -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
supported() { case $1 in 3.11 | 3.12 | 3.13) true ;; *) false ;; esac; }

need=yes
if have=$(version_of "$venv/bin/python") && supported "$have"; then
  if [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$have" ]; then need=no; fi
fi
# A checkout that was moved: the commands in .venv still name the old place.
grep -qsF "$PWD/$venv" "$venv/bin/activate" || need=yes
if [ $need = no ] && fresh deps "$(hash_deps)" && fresh project "$(hash_project)"; then exit 0; fi

# --- a Python, tried and not believed by its name: version managers leave shims that fail when run --------------------
if [ $need = yes ]; then
  remedy="install Python 3.11, 3.12 or 3.13, or name one with 'make setup PYTHON=/path/to/python3.12'"
  python='' seen=''
  if [ -n "${PYTHON:-}" ]; then
    found=$(version_of "$PYTHON") || die "PYTHON=$PYTHON does not run: $remedy"
    supported "$found" || die "PYTHON=$PYTHON is Python $found, this project needs 3.11 to 3.13: $remedy"
    python=$PYTHON
  else
    for candidate in python3.13 python3.12 python3.11 python3; do
      found=$(version_of "$candidate") || continue
      if supported "$found"; then python=$candidate; break; fi
      seen="${seen:+$seen, }$candidate is $found"
    done
    [ -n "$python" ] || die "no Python from 3.11 to 3.13 on PATH (${seen:-none runs}): $remedy"
  fi
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    die "$python has no venv module (on Debian and Ubuntu: apt install python3-venv), or: $remedy"
  say "making $venv with $python ($found)"
  rm -rf "$venv"
  "$python" -m venv "$venv"
fi
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# --- dependencies -----------------------------------------------------------------------------------------------------
# Nothing is built by a tool that the lock does not pin: what builds comes first, then every source
# distribution is built with them (no isolated build environment, which would fetch its own).
if uv --version >/dev/null 2>&1; then
  say "with uv"
  export UV_COMPILE_BYTECODE=1
  install() { uv pip install --quiet --python "$venv/bin/python" "$@"; }
  compile() { :; }
else
  say "with pip"
  install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile "$@"; }
  # Explicitly, on all cores, whatever PYTHONDONTWRITEBYTECODE says: imports are 3-4 times slower without. Some
  # packages carry templates that are no valid Python: not our error.
  compile() { "$venv/bin/python" -m compileall -q -j 0 "$site" >/dev/null 2>&1 || true; }
fi
if ! fresh deps "$(hash_deps)"; then
  rm -f "$venv"/.stamp-*
  # What a killed installation leaves: half-removed packages (~name) and half-installed ones (no RECORD yet).
  rm -rf "$site"/~*
  for info in "$site"/*.dist-info; do [ -f "$info/RECORD" ] || rm -rf "$info"; done
  say "installing the locked dependencies: about 1.8 GB on disk, one to six minutes the first time"
  pinned=$(mktemp); trap 'rm -f "$pinned"' EXIT
  awk '/^[^ #]/ { keep = ($0 ~ /^(packaging|setuptools|wheel)==/) } keep' locks/dev.txt >"$pinned"
  install --require-hashes --no-deps -r "$pinned"
  # The lock is complete, so nothing is resolved again (pip 23.0 loses the pin of a name that is also asked for with extras).
  install --require-hashes --no-deps --no-build-isolation -r locks/dev.txt
  # By pip, which can be told that data has no Python version it needs; uv cannot.
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps \
    --no-build-isolation --ignore-requires-python -r locks/data.txt
  compile
  hash_deps >"$venv/.stamp-deps"
fi

# --- the project itself, editable; needs no network -------------------------------------------------------------------
say "installing the project, editable"
install --no-deps --no-build-isolation -e .
hash_project >"$venv/.stamp-project"
say "done: $venv, Python $("$venv/bin/python" -c 'import platform; print(platform.python_version())')"
