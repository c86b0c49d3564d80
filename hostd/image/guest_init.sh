#!/bin/busybox sh
# The first process of the small guest: brings it up from its NoCloud seed and serves a page that says who it is.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /dev/pts /run/seed /run/www
exec </dev/console >/dev/console 2>&1

for module in $(cat /lib/modules/order); do
  insmod "/lib/modules/$module.ko" || echo "ULTRACLOUD-ERROR module $module could not be loaded"
done

# The seed is the block device whose ISO 9660 volume is named cidata (NoCloud data source of cloud-init).
mkdir -p /mnt
for device in /dev/vd?; do
  mount -t iso9660 -o ro "$device" /mnt 2>/dev/null || continue
  [ -f /mnt/meta-data ] && cp /mnt/* /run/seed/
  umount /mnt
done
field() { sed -n "s/^$1: *//p" /run/seed/meta-data 2>/dev/null | head -n 1 | tr -d '"'; }
INSTANCE=$(field instance-id)
NAME=$(field local-hostname)
INCARNATION=$(field incarnation)
hostname "${NAME:-guest}"

# DHCP gives exactly the address of the port; the seed's network-config says the same where no DHCP server answers.
static_address() {
  awk -v mac="$(cat "/sys/class/net/$1/address")" -v want="$2" '
    { gsub(/[]["]/, " ") }
    /macaddress:/ { mine = ($2 == mac) }
    mine && $1 == want ":" { print $2; exit }
  ' /run/seed/network-config 2>/dev/null
}
configure() {
  ip link set "$1" up
  udhcpc -i "$1" -q -n -t 4 -T 1 -x "hostname:$NAME" -s /etc/udhcpc.script >/dev/null 2>&1 && return
  address=$(static_address "$1" addresses)
  [ -n "$address" ] && ip address add "$address" dev "$1"
  gateway=$(static_address "$1" via)
  [ -n "$gateway" ] && ip route add default via "$gateway" dev "$1"
}
ip link set lo up
for interface in /sys/class/net/eth*; do
  [ -e "$interface" ] && configure "${interface##*/}" &
done
wait
ADDRESS=$(ip -4 -o address show scope global | awk '{ sub("/.*", "", $4); print $4 }' | tr '\n' ' ' | sed 's/ $//')

echo "$NAME (instance $INSTANCE, incarnation $INCARNATION) at $ADDRESS" >/run/www/index.html
cat >/run/www/instance.json <<JSON
{"name":"$NAME","instance":"$INSTANCE","incarnation":"$INCARNATION","address":"$ADDRESS"}
JSON
echo '.json:application/json' >/run/httpd.conf
httpd -p 80 -h /run/www -c /run/httpd.conf

# Only scripts are understood: this guest has no cloud-init.
if head -c 2 /run/seed/user-data 2>/dev/null | grep -q '#!'; then
  chmod 700 /run/seed/user-data
  /run/seed/user-data || echo "ULTRACLOUD-ERROR user-data ended with $?"
fi

acpid -c /etc/acpi -l /run/acpid.log
echo "ULTRACLOUD-READY $NAME $INSTANCE $ADDRESS after $(cut -d' ' -f1 /proc/uptime) s"

# Reaps what others leave behind, forever: when the first process ends, the kernel panics.
while :; do
  sleep 86400
done
