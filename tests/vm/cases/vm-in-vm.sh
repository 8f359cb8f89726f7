# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A virtual machine whose disk is /dev/mapper/vm1 writes and verifies, half of it with
# buffers that change in flight, while its host moves that disk to another device: run with
# verify, cutover under load, failback, cutover again, commit. Then it is powered off, the
# source is destroyed, and it boots again, from the dest, and finds all that it wrote. With
# QEMU's cache=none, by native AIO, io_uring and threads.
#
# vm: livemigrate=yes guest=yes long=yes disks=32M,32M mem=1024 timeout=2400
# vm: files=tests/vm/legs.sh,tests/vm/tool.sh
# vm: bins=qemu-system-x86_64,/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so

. /vm/lib.sh
. legs.sh
. tool.sh

# guest WORD AIO: it boots, in the background, and what it says is in /run/serial.
guest_start()
{
	rm -f /run/serial.in /run/serial.out
	mkfifo /run/serial.in /run/serial.out
	cat </run/serial.out >/run/serial &
	reader=$!
	qemu-system-x86_64 -L /vm/guest -M microvm,pcie=on,acpi=on,pit=on,pic=on,rtc=on \
		-cpu qemu64 -accel tcg -m 192 -nodefaults -no-user-config -display none \
		-no-reboot -kernel /vm/guest/vmlinuz -initrd /vm/guest/initrd \
		-append "console=ttyS0 quiet panic=-1 mitigations=off nohz=off no_timer_check tsc_early_khz=1000000 lpj=2000000 cryptomgr.notests guest.do=$1" \
		-chardev pipe,id=serial,path=/run/serial -serial chardev:serial \
		-drive "if=none,id=disk,format=raw,file=/dev/mapper/vm1,cache=none,aio=$2" \
		-device virtio-blk-pci,drive=disk \
		-drive if=none,id=notes,format=raw,file=/run/notes \
		-device virtio-blk-pci,drive=notes >/run/qemu.log 2>&1 &
	qemu=$!
}

guest_says()
{
	kill -0 $qemu 2>/dev/null || [ -n "${3:-}" ] || { cat /run/serial /run/qemu.log; die "the guest is gone"; }
	grep -q "$1" /run/serial 2>/dev/null
}

guest_is_off()
{
	! kill -0 $qemu 2>/dev/null
}

guest_ends()	# it is powered off, and all was well
{
	wait_until $((600 * SLOWNESS)) guest_is_off || die "the guest does not end: $(cat /run/serial)"
	wait $reader || :
	cat /run/serial
	grep -q "GUEST GOOD" /run/serial || die "the guest has not found what it wrote"
}

moves()	# moves AIO FROM TO
{
	note "--- aio=$1"
	truncate -s 64M /run/notes
	dmsetup create vm1 --table "0 65536 linear $2 0"
	begun=$(now_ms)
	guest_start write "$1"
	wait_until $((600 * SLOWNESS)) guest_says WRITING || die "the guest does not boot: $(cat /run/serial)"
	note "it writes after $((($(now_ms) - begun) / 1000)) s"
	tool start vm1 --to "$3" --force --rate 2M
	tool wait vm1
	[ "$(lm_field vm1 mirrored)" -gt 0 ] || die "the guest has written nothing meanwhile"
	tool verify vm1
	tool cutover vm1
	sleep 3
	tool failback vm1
	sleep 3
	tool verify vm1
	tool cutover vm1
	sleep 3
	tool commit vm1
	sleep 1
	echo stop >/run/serial.in
	guest_ends
	lies_on vm1 "$3"
	# Nothing of it comes from there any more.
	dd if=/dev/zero of="$2" bs=1M oflag=direct 2>/dev/null || :
	guest_start check "$1"
	guest_ends
	dmsetup remove vm1
	all_clear
}

moves native /dev/vda /dev/vdb
moves io_uring /dev/vdb /dev/vda
moves threads /dev/vda /dev/vdb
