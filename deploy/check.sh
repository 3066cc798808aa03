#!/usr/bin/env bash
# Checks the files of this folder with the programs that read them, each where it is installed:
# haproxy, systemd-analyze, promtool, kubectl, docker; and kubernetes-validate (PyPI), which holds
# the manifests against the schemas of Kubernetes without a cluster.
set -uo pipefail
cd "$(dirname "$0")"
PATH=$PATH:/usr/sbin
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check PROGRAM COMMAND: runs the command if the program is there.
check() {
  if ! command -v "$1" > /dev/null; then
    echo "skipped, no $1"
  elif bash -o pipefail -c "$2" > "$work/output" 2>&1; then
    echo "passed  $2"
  else
    echo "FAILED  $2"
    cat "$work/output"
    failed=1
  fi
}

check haproxy "haproxy -c -f haproxy/haproxy.cfg"
# The unit is judged as if the program were installed.
sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' systemd/hadal.service > "$work/hadal.service"
check systemd-analyze "systemd-analyze verify $work/hadal.service"
check systemd-analyze "systemd-analyze security --offline=true --threshold=20 $work/hadal.service"
check promtool "promtool check config prometheus/prometheus.yml"
check kubectl "kubectl kustomize kubernetes > $work/manifests.yaml"
check kubernetes-validate "kubernetes-validate --strict $work/manifests.yaml"
if docker compose version > /dev/null 2>&1; then
  check docker "docker compose -f compose/compose.yaml config"
fi
exit $failed
