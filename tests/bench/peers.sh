# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2034 # shared with the case
# Those that copy a device in use, each by the same calls: from $a to $b, $size sectors,
# at $SPEED MiB/s at most. dm-clone wants a small disk for its metadata, too, $meta.
# shellcheck disable=SC2154 # the case sets them

peers_init()
{
	insmod /vm/tools/dm-clone.ko
	mkfifo /run/never
	exec 9<>/run/never
}

# peer_make SUBJECT: the device is $peer, and copies nothing yet if it can be told so.
peer_make()
{
	case "$1" in
	livemigrate)
		peer=/dev/mapper/peer
		lm_create peer "$a" "$b" paused
		;;
	dm-mirror)
		peer=/dev/mapper/peer
		dmsetup create peer --table "0 $size mirror core 1 1024 2 $a 0 $b 0"
		;;
	md-raid1)
		peer=/dev/md0
		mdadm --build $peer --level=1 --raid-devices=2 --run "$a" "$b" >/run/mdadm 2>&1 ||
			{ cat /run/mdadm; die "md cannot be made"; }
		echo frozen >/sys/block/md0/md/sync_action
		echo 10000000 >/sys/block/md0/md/sync_speed_max
		echo 10000000 >/sys/block/md0/md/sync_speed_min
		;;
	dm-clone)
		peer=/dev/mapper/peer
		dd if=/dev/zero of="$meta" bs=1M count=1 oflag=direct 2>/dev/null
		dmsetup create peer --table "0 $size clone $meta $b $a 2048 2 no_discard_passdown no_hydration"
		;;
	qemu-mirror)
		# The daemon is the guest's disk, as QEMU itself would be, and copies it.
		peer=/dev/nbd0
		rm -f /run/qmp.in /run/qmp.out /run/qsd
		mkfifo /run/qmp.in /run/qmp.out
		exec 8<>/run/qmp.out
		qemu-storage-daemon --chardev pipe,id=qmp,path=/run/qmp --monitor chardev=qmp \
			--blockdev "driver=host_device,node-name=from,filename=$a,cache.direct=on,aio=native" \
			--blockdev "driver=host_device,node-name=to,filename=$b,cache.direct=on,aio=native" \
			--nbd-server addr.type=unix,addr.path=/run/qsd \
			--export nbd,id=export,node-name=from,name=peer,writable=on &
		pm_daemon_=$!
		wait_until 20 test -S /run/qsd || die "qemu-storage-daemon does not answer"
		nbd-client -unix /run/qsd $peer -N peer >/run/nbd 2>&1 ||
			{ cat /run/nbd; die "$peer is not there"; }
		echo '{ "execute": "qmp_capabilities" }' >/run/qmp.in
		;;
	*) die "there is no '$1' to measure" ;;
	esac
	peer_look
	pm_written_=$pl_written_
}

# peer_look: the sectors that $b has been written, into $pl_written_; begins no program.
peer_look()
{
	read -r pl_1 pl_2 pl_3 pl_4 pl_5 pl_6 pl_written_ pl_rest_ <"/sys/block/${b#/dev/}/stat"
}

peer_copied()
{
	case "$1" in
	livemigrate) lm_is peer phase synced ;;
	dm-mirror) dmsetup status peer | awk '{ for (i = 1; i <= NF; i++) if ($i ~ "/") { split($i, n, "/"); exit n[1] != n[2] } }' ;;
	md-raid1)
		read -r pc_action_ </sys/block/md0/md/sync_action
		[ "$pc_action_" = idle ]
		;;
	dm-clone) dmsetup status peer | awk '{ split($7, n, "/"); exit n[1] != n[2] }' ;;
	qemu-mirror)
		while read -r pc_said_ <&8; do
			case "$pc_said_" in
			*BLOCK_JOB_READY*) return 0 ;;
			*'"error"'*) die "qemu-storage-daemon: $pc_said_" ;;
			esac
		done
		;;
	esac
}

# pause SECONDS: as sleep, but it begins no program, which would take the guest's time.
pause()
{
	# shellcheck disable=SC3045 # busybox has it
	read -r -t "$1" pa_ <&9 || :
}

# peer_nearly_written: all but a 64th of $b. To look takes the processor, which is the
# guest's, so the closer it comes to that the more often, at most each $LOOK_MS (two digits).
peer_nearly_written()
{
	while :; do
		peer_look
		pn_left_=$((size - size / 64 - (pl_written_ - pm_written_)))
		[ $pn_left_ -gt 0 ] || break
		# Half of what it needs at most.
		pn_ms_=$((pn_left_ * 1000 / 2048 / SPEED / 2 + ${LOOK_MS:-50}))
		pause "$((pn_ms_ / 1000)).$(printf %03d $((pn_ms_ % 1000)))"
	done
}

# peer_copy SUBJECT: seconds into $took. The status is asked for when nearly all is written.
peer_copy()
{
	[ "$1" != livemigrate ] || pc_events_=$(dmsetup info -c --noheadings -o events peer)
	pc_begun_=$(now_ms)
	case "$1" in
	livemigrate) lm_msg peer resume ;;
	md-raid1) echo resync >/sys/block/md0/md/sync_action ;;
	dm-clone)
		dmsetup message peer 0 hydration_threshold 64
		dmsetup message peer 0 hydration_batch_size 64
		dmsetup message peer 0 enable_hydration
		;;
	qemu-mirror)
		echo '{ "execute": "blockdev-mirror", "arguments": { "job-id": "copy", "device": "from", "target": "to", "sync": "full", "copy-mode": "write-blocking" } }' >/run/qmp.in
		;;
	esac
	# It tells when it has ended; the others have to be asked.
	case "$1" in
	livemigrate) dmsetup wait peer "$pc_events_" ;;
	*) peer_nearly_written ;;
	esac
	until peer_copied "$1"; do
		pause 0.0${LOOK_MS:-50}
	done
	took=$(seconds_since "$pc_begun_")
}

peer_remove()
{
	case "$1" in
	livemigrate)
		lm_msg peer abort
		dmsetup remove peer
		;;
	md-raid1) mdadm --stop /dev/md0 >/dev/null 2>&1 ;;
	qemu-mirror)
		nbd-client -d $peer >/run/nbd 2>&1
		kill $pm_daemon_
		wait $pm_daemon_ || :
		;;
	*) dmsetup remove peer ;;
	esac
}
