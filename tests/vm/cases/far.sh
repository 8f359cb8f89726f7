# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A dest on a storage server, as a host would use it: the disk of a machine moves there
# while it runs, by the lines of README.md, over NVMe/TCP and then over nbd. The first
# server goes away in the middle, in either role, and comes back; the machine sees nothing
# of it, and in the end it runs there alone.
#
# Method: the kernel's own target, and nbdkit, on the loopback. (fail-nbd has what can
# happen to nbd.)
#
# vm: livemigrate=yes disks=32M,48M mem=640 timeout=300 modules=nvmet-tcp,nvme-tcp,nbd,loop
# vm: files=README.md,tests/vm/legs.sh,tests/vm/tool.sh
# vm: bins=nvme,nbdkit,nbd-client,/usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-file-plugin.so

. /vm/lib.sh
. legs.sh
. tool.sh

server=/sys/kernel/config/nvmet

serve()
{
	[ -d $server ] || mount -t configfs configfs /sys/kernel/config
	mkdir $server/subsystems/vm1
	echo 1 >$server/subsystems/vm1/attr_allow_any_host
	mkdir $server/subsystems/vm1/namespaces/1
	echo -n /dev/vdb >$server/subsystems/vm1/namespaces/1/device_path
	echo 1 >$server/subsystems/vm1/namespaces/1/enable
	mkdir $server/ports/1
	echo ipv4 >$server/ports/1/addr_adrfam
	echo 192.0.2.7 >$server/ports/1/addr_traddr
	echo tcp >$server/ports/1/addr_trtype
	echo 4420 >$server/ports/1/addr_trsvcid
	back
}

away()
{
	rm $server/ports/1/subsystems/vm1
}

back()
{
	ln -s $server/subsystems/vm1 $server/ports/1/subsystems/vm1
}

# line WORDS: the one of README.md that begins so is run; nobody waits for an hour here.
line()
{
	grep "^$1" /vm/tools/README.md | sed 's/ 1h$/ 3s/; s/^echo 10/echo 2/; s/--nqn=vm1$/& --reconnect-delay=1/' >/run/line
	[ "$(wc -l </run/line)" = 1 ] || die "README.md has not one line '$1'"
	cat /run/line
	. /run/line
}

live()
{
	[ "$(cat /sys/class/nvme/nvme0/state)" = live ]
}

# The disk is back, and what it lacks is copied.
again()
{
	back
	wait_until 60 live || die "the host has not found its server again"
	# Not before what was sent there has come back.
	wait_until 60 livemigrate reattach vm1
	tool wait vm1 --timeout 60
}

# As the package nvme-cli does it where it is installed.
mkdir -p /etc/nvme
echo nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555 >/etc/nvme/hostnqn
echo 11111111-2222-4333-8444-555555555555 >/etc/nvme/hostid
ip link set lo up
ip addr add 192.0.2.7/32 dev lo
serve
line 'nvme connect'
wait_until 20 [ -b /dev/nvme0n1 ] || die "there is no /dev/nvme0n1"
line 'echo 10 >/sys/class/nvme/nvme0'
source_make linear
source_hold
load_start /dev/mapper/vm1 --rate 400 --mix w=60,r=20,f=5,u=10,z=5

note "--- it goes away while it is copied to"
tool start vm1 --to /dev/nvme0n1 --rate 4M --standby-timeout $((5 * SLOWNESS))
lm_wait_above vm1 copied 500
away
lm_wait_phase vm1 degraded 60
lm_is vm1 active source || die "it runs on the dest: $(dmsetup status vm1)"
load_alive
tool rate vm1 0
again

note "--- it goes away while it is in use"
tool verify vm1
tool cutover vm1
sleep 1
away
lm_wait_phase vm1 degraded 60
lm_is vm1 active source || die "it is still on the dest: $(dmsetup status vm1)"
load_alive
again

note "--- and the disk is there for good"
tool abort vm1
line 'livemigrate run vm1 --to /dev/nvme0n1'
source_kept
load_alive
lies_on vm1 /dev/nvme0n1

note "--- and to another one, over nbd"
truncate -s 32M /run/far.img
# Not with the descriptor that holds the disk.
nbdkit -f -i 192.0.2.7 -p 10809 file /run/far.img >/run/nbdkit.log 2>&1 8<&- &
wait_until 20 nbd-client -l 192.0.2.7 10809 >/dev/null 2>&1 || :
line 'nbd-client'
line 'livemigrate run vm1 --to /dev/nbd0'
source_kept
load_stop
source_let_go
lies_on vm1 /dev/nbd0
load_check /dev/mapper/vm1
source_remove linear
nbd-client -d /dev/nbd0 >/dev/null
nvme disconnect --nqn=vm1
# What the server really has.
losetup -r /dev/loop0 /run/far.img
load_check /dev/loop0
