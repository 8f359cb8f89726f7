# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# For cases with the real lvm2, which have "bins=lvm", name this file in "files=", and
# say ". lvm.sh".

# Kept away from the disk that is moved, as on a host.
mkdir -p /etc/lvm /run/lock/lvm
cat >/etc/lvm/lvm.conf <<'CONF'
devices { use_devicesfile = 0 obtain_device_list_from_udev = 0 }
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
global { thin_check_executable = "" }
backup { backup = 0 archive = 0 }
CONF
vm_lvm()
{
	lvm "$@" >/run/lvm.log 2>&1 || { cat /run/lvm.log; die "lvm $* has failed"; }
}

volumes()
{
	lvm lvs --noheadings -o lv_full_name 2>/dev/null | sort | xargs
}
