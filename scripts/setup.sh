#!/bin/sh
# Installs what the project needs: npm packages, and on Debian as root the system packages of packages.txt.
# Safe to run twice at once: installs are serialized by a lock.
set -eu
cd "$(dirname "$0")/.."
mkdir -p work
exec 9>work/setup.lock
flock 9 2>/dev/null || true

if ! cmp -s package-lock.json node_modules/.installed-lock.json; then
  echo "setup: installing npm packages"
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.installed-lock.json
fi

missing=""
for package in $(cat scripts/packages.txt); do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
  command="apt-get install -y --no-install-recommends$missing"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "setup: installing system packages:$missing"
    exec 8>/tmp/.ultracloud-apt.lock
    flock 8
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $command >work/apt.log 2>&1 || { tail -20 work/apt.log; exit 1; }
  else
    echo "setup: these system packages are missing:$missing"
    echo "setup: install them with: sudo $command"
    echo "setup: going on with what is there"
  fi
fi
