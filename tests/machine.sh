# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A virtual machine whose system lies on a disk, and which says by itself on a port how it
# went: for the host's scripts that need more than tests/vm/run's. Sourced, after common.sh.
#
# $run is a folder for what the machine writes; console.log and output.log are there.

# machine_new MIB KERNEL INITRD: sets machine_args, to which disks are added.
machine_new()
{
	machine_nonce=$(od -An -N 8 -t x8 /dev/urandom | tr -d ' ')
	# shellcheck disable=SC2054 # the commas are QEMU's
	machine_args=(-nodefaults -no-user-config -display none -no-reboot -m "$1"
		-cpu Haswell-v4,-cx16 -accel "tcg,thread=multi" -smp 2
		-kernel "$2" -initrd "$3"
		-chardev "file,id=console,path=$run/console.log,append=on" -serial chardev:console
		-device virtio-serial-pci
		-chardev "file,id=result,path=$run/result"
		-device "virtserialport,chardev=result,name=org.dm-livemigrate.result"
		-chardev "file,id=output,path=$run/output.log,append=on"
		-device "virtserialport,chardev=output,name=org.dm-livemigrate.output")
	machine_qemu=""
	: >"$run/console.log"
	: >"$run/output.log"
}

# machine_disk ID FILE [OPTIONS]: one more, /dev/vda at first.
machine_disk()
{
	machine_args+=(-drive "if=none,id=$1,file=$2,cache=unsafe,discard=unmap${3:+,$3}"
		-device "virtio-blk-pci,drive=$1,serial=$1")
}

# machine_boot NUMBER SECONDS WORD...: with those words for the kernel; it is to say PASS
# NONCE NUMBER. Sets machine_why, to "" if all went as it should.
machine_boot()
{
	local number=$1 seconds=$2 status=0 result
	shift 2
	rm -f "$run/result"
	timeout -k 5 "$seconds" qemu-system-x86_64 "${machine_args[@]}" \
		-append "console=ttyS0 loglevel=4 panic=-1 oops=panic mitigations=off $(smp_arguments) $* systemd.show_status=0 lm.nonce=$machine_nonce lm.boot=$number" \
		</dev/null 2>"$run/qemu.log" &
	machine_qemu=$!
	wait "$machine_qemu" || status=$?
	machine_qemu=""
	result=$(cat "$run/result" 2>/dev/null || true)
	case "$result" in
	"PASS $machine_nonce $number") machine_why="" ;;
	"FAIL $machine_nonce "*) machine_why=${result#FAIL * } ;;
	*)
		if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
			machine_why="no end after $seconds s"
		else
			machine_why="it went off without a result: $(tail -n 1 "$run/qemu.log")"
		fi
		;;
	esac
}

# machine_off: for traps.
machine_off()
{
	[ -z "${machine_qemu:-}" ] || kill "$machine_qemu" 2>/dev/null || true
}
