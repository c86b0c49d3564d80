#!/bin/sh
# What acpid calls when the power button is pressed (ACPI event PWRF, which QMP's system_powerdown raises).
echo "ULTRACLOUD-POWERDOWN $(hostname)" >/dev/console
sync
poweroff -f
