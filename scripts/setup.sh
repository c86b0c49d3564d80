#!/bin/sh
# Installs what the project needs: npm packages, and on Debian as root the system packages of packages.txt.
# Quick and silent when all is there. Safe to run twice at once: installs are serialized by locks, which the installers'
# children do not inherit, so that a service that one of them starts cannot hold a lock for ever.
set -eu
cd "$(dirname "$0")/.."
mkdir -p work

# Takes the lock of a file descriptor; without flock (not on Linux) two installs at once are the user's to avoid.
lock() {
  if command -v flock >/dev/null 2>&1; then flock -w 900 "$1"; fi
}

npm_packages() {
  cmp -s package-lock.json node_modules/.installed-lock.json && return 0
  exec 9>work/setup.lock
  lock 9
  if ! cmp -s package-lock.json node_modules/.installed-lock.json; then
    echo "setup: installing npm packages"
    npm ci --no-audit --no-fund --loglevel=error 9>&-
    cp package-lock.json node_modules/.installed-lock.json
  fi
  exec 9>&-
}

missing_packages() {
  while read -r package; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf ' %s' "$package"
  done <scripts/packages.txt
}

system_packages() {
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  install="apt-get install -y --no-install-recommends"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
    echo "setup: these Debian packages are missing:$missing"
    echo "setup: install them, or what your system has in their place, with: sudo $install$missing"
    echo "setup: going on with what is there"
    return 0
  fi
  exec 8>/run/lock/ultracloud-setup.lock
  lock 8
  missing=$(missing_packages)
  if [ -n "$missing" ]; then
    echo "setup: installing system packages:$missing"
    (
      export DEBIAN_FRONTEND=noninteractive
      apt-get update -qq && $install -o DPkg::Lock::Timeout=600 $missing
    ) >work/apt.log 2>&1 8>&- || {
      tail -n 20 work/apt.log
      echo "setup: installing failed; the whole log is in work/apt.log"
      exit 1
    }
    # The package comes with a name server on port 53; what needs Knot here starts its own.
    case "$missing" in
      *" knot "* | *" knot") [ ! -d /run/systemd/system ] || systemctl disable --now --quiet knot.service ;;
    esac
  fi
  exec 8>&-
}

npm_packages
system_packages
