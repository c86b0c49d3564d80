#!/bin/sh
# What udhcpc calls on each change of a lease.
case "$1" in
deconfig)
  ip address flush dev "$interface"
  ip link set "$interface" up
  ;;
bound | renew)
  ip address replace "$ip/$mask" dev "$interface"
  for gateway in $router; do
    ip route replace default via "$gateway" dev "$interface"
  done
  : >/run/resolv.conf
  for server in $dns; do
    echo "nameserver $server" >>/run/resolv.conf
  done
  ;;
esac
