#!/bin/sh
# Runs the client tests against a server started for them: run.sh PATH-OF-HADAL [serve's arguments].
# PYTHON names an interpreter that has the packages of requirements.txt; without it a virtual
# environment with them is made beside the build.
set -eu
hadal=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${PYTHON:-}" ]; then
  environment=$here/../../.build/clients
  [ -x "$environment/bin/python" ] || python3 -m venv "$environment"
  PYTHON=$environment/bin/python
  "$PYTHON" -m pip install --quiet --requirement "$here/requirements.txt"
fi
log=$(mktemp)
"$hadal" serve --port 0 "$@" >"$log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -f "$log"' EXIT
tries=0
until HADAL_URL=$(grep -o -m 1 'http://[^ ]*:[0-9]*' "$log"); do
  tries=$((tries + 1))
  if [ "$tries" -gt 600 ] || ! kill -0 "$server" 2>/dev/null; then
    echo "the server did not start:" >&2
    cat "$log" >&2
    exit 1
  fi
  sleep 0.1
done
export HADAL_URL
"$PYTHON" -m unittest discover --verbose --start-directory "$here"
