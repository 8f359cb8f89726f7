# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# ext4 and xfs, mounted through a whole migration, with files made, changed,
# fsynced, removed and trimmed all the while: afterwards the file system on the
# dest alone is clean, and every file has its checksum. Trims, too, leave the
# legs equal.
#
# Caught: a discard that clears no bits.
#
# vm: disks=320M:discard:zeroes,320M:discard:zeroes,320M:discard,320M
# vm: modules=ext4,xfs mem=768 timeout=300

. /vm/lib.sh

mkdir -p /mnt

# Files are made in rounds; every third round's are removed again.
churn()
{
	i=0
	while [ ! -e /run/stop ]; do
		i=$((i + 1))
		mkdir -p /mnt/d$i
		for f in 1 2 3 4 5; do
			dd if=/dev/urandom of=/mnt/d$i/f$f bs=7k count=$((i % 11 + f)) 2>/dev/null || return 1
		done
		fsync_file /mnt/d$i/f1 || return 1
		(cd /mnt && md5sum d$i/*) >/run/sums.$i || return 1
		if [ $((i % 3)) -eq 0 ]; then
			rm -r /mnt/d$i /run/sums.$i
			fstrim /mnt 2>/dev/null || :
		fi
		[ $i -lt 250 ] || return 0
	done
}

fsync_file()
{
	dd if=/dev/zero of="$1" bs=1 count=0 conv=notrunc,fsync 2>/dev/null
}

check_sums()
{
	cat /run/sums.* >/run/sums
	[ "$(wc -l </run/sums)" -gt $((20 / SLOWNESS)) ] || die "too few files were made: $(wc -l </run/sums)"
	(cd "$1" && md5sum -c /run/sums) | grep -v ': OK$' >/run/bad || :
	[ ! -s /run/bad ] || die "files have changed: $(head -3 /run/bad)"
	note "$(wc -l </run/sums) files are right"
	rm -f /run/sums*
}

# A trim that clears bits makes it busy for a moment: try again, as it says.
ask()
{
	wait_until 30 dmsetup message m 0 "$1" 2>/dev/null || die "$1 is never allowed"
}

# quiet_and_synced: m is suspended, and synced
quiet_and_synced()
{
	for _ in $(seq 50); do
		sync
		dmsetup suspend m
		! lm_is m phase synced || return 0
		dmsetup resume m
		sleep 0.2
	done
	return 1
}

migrate()	# migrate FS SOURCE DEST
{
	note "== $1 from $2 to $3"
	rm -f /run/stop /run/sums*
	case $1 in
	ext4) mkfs.ext4 -q -F "$2" ;;
	xfs) mkfs.xfs -q -f "$2" ;;
	esac
	lm_create m "$2" "$3" paused
	mount -t "$1" /dev/mapper/m /mnt
	churn &
	churn_pid=$!
	sleep 2
	lm_msg m resume
	lm_wait_phase m synced 60
	sleep 1
	# Quiet legs are equal, whatever was trimmed; unless a trim came last, whose
	# regions are to be copied yet: then it is not synced.
	quiet_and_synced || die "it is never synced: $(dmsetup status m)"
	cmpdev "$2" "$3" || {
		dmsetup resume m
		die "$2 and $3 differ"
	}
	dmsetup resume m
	ask cutover
	sleep 2
	ask failback
	sleep 1
	ask cutover
	sleep 1
	lm_drop m commit
	sleep 1
	touch /run/stop
	wait $churn_pid || die "a file operation failed"
	umount /mnt
	dmsetup remove m

	# The dest alone, and nothing of the source.
	dd if=/dev/urandom of="$2" bs=1M count=4 2>/dev/null
	case $1 in
	ext4) e2fsck -fn "$3" >/run/fsck 2>&1 || { cat /run/fsck; die "e2fsck finds faults"; } ;;
	xfs) xfs_repair -n "$3" >/run/fsck 2>&1 || { cat /run/fsck; die "xfs_repair finds faults"; } ;;
	esac
	mount -t "$1" "$3" /mnt
	check_sums /mnt
	umount /mnt
}

migrate ext4 /dev/vda /dev/vdb
migrate xfs /dev/vda /dev/vdb
# Neither leg can write zeroes: a discard clears bits, and the copier comes again.
migrate ext4 /dev/vdc /dev/vdd
