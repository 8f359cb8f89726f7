# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What "make demo" shows: a disk with a file system in use moves to another disk
# and back and there again, and nobody who uses it notices. Ends with 0 if all
# that the last table says held.
#
# The disks are slowed down so that there is something to see.
#
# vm: livemigrate=yes disks=256M:bps=24M,320M:bps=24M mem=768 timeout=180 modules=ext4
# vm: bins=script

. /vm/lib.sh

SOURCE=/dev/vda
DEST=/dev/vdb
DEVICE=/dev/mapper/disk
MNT=/mnt
FILES=$MNT/files
LIVE=$MNT/live

# ---------------------------------------------------------------------------
# Output

# Set by tests/vm/run if what we print ends on a terminal.
TERMINAL=${TERMINAL:-}
if [ -n "$TERMINAL" ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
	bold='' plain=''
fi

# now_cs: hundredths of a second since boot.
now_cs()
{
	read -r up_ _ </proc/uptime
	now=${up_%.*}${up_#*.}
}

# tenths VALUE DIVISOR: VALUE / DIVISOR with one digit behind the point.
tenths()
{
	tenths_=$((($1 * 10 + $2 / 2) / $2))
	echo "$((tenths_ / 10)).$((tenths_ % 10))"
}

heading()
{
	printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

say()
{
	now_cs
	printf '  %5s s  %s\n' "$(tenths $((now - begun)) 100)" "$*"
}

# do_ COMMAND...: show it, run it, and say how long it took.
do_()
{
	say "$bold# $*$plain"
	now_cs
	do_start_=$now
	do_status_=0
	"$@" || do_status_=$?
	now_cs
	say "($(((now - do_start_) * 10)) ms, status $do_status_)"
	return $do_status_
}

# ---------------------------------------------------------------------------
# The target's status, as variables: active, region and one with k_ before its name
# for each counted key.

k_copied=0 k_written_skipped=0 k_zero_skipped=0 k_mirrored=0
k_held=0 k_held_max_us=0 k_read_errors=0 k_write_errors=0

look()
{
	# shellcheck disable=SC2046
	set -- $(dmsetup status disk)
	active=$5 region=$6
	shift 11
	while [ $# -ge 2 ]; do
		eval "k_$1=\$2"
		shift 2
	done
}

# mib REGIONS
mib()
{
	tenths $(($1 * region)) 2048
}

# wait_copied: until all is copied. On a terminal the command shows a bar, but what
# we print gets there by a port: so give it a terminal of its own.
wait_copied()
{
	say "$bold# livemigrate wait disk$plain"
	if [ -n "$TERMINAL" ]; then
		script -qfec "stty cols 100; livemigrate wait disk" /run/typescript </dev/null
		return
	fi
	livemigrate wait disk >/run/wait &
	waiter=$!
	while kill -0 $waiter 2>/dev/null; do
		livemigrate list
		sleep 1
	done
	wait $waiter && cat /run/wait
}

# ---------------------------------------------------------------------------
# The guest

fill()
{
	mkfs.ext4 -q -F $DEVICE
	mount -t ext4 $DEVICE $MNT
	mkdir $FILES $LIVE
	cp -a /usr/bin /usr/sbin /usr/lib $FILES/
	for i in 1 2 3 4 5 6 7 8; do
		dd if=/dev/urandom of=$FILES/generated-$i bs=1M count=$i 2>/dev/null
	done
	sync
	# Checksums of what is on the disk, not in the cache.
	echo 3 >/proc/sys/vm/drop_caches
	(cd $FILES && find . -type f -exec md5sum {} +) >/run/files.md5
	: >/run/live.md5
}

# Every 4 KiB that fio writes say what they are, and are read back and verified
# soon after they were written. A verification that fails ends it with an error.
# (A variable, no function: a signal is to reach fio itself.)
FIO="fio --name=load --filename=$MNT/load --size=24M --fallocate=none
	--verify=crc32c --verify_interval=4k --verify_fatal=1 --direct=1
	--ioengine=libaio --iodepth=8"

# New files all the time, too.
write_files()
{
	n=0
	while [ ! -e /run/stop ]; do
		n=$((n + 1))
		dd if=/dev/urandom of=$LIVE/$n bs=64k count=4 conv=fsync 2>/run/dd ||
			{ cat /run/dd >>/run/writer-errors; break; }
		(cd $LIVE && md5sum $n) >>/run/live.md5
		sleep 0.3
	done
}

start_load()
{
	: >/run/writer-errors
	$FIO --rw=write --bs=64k --do_verify=0 --output=/run/fio-fill ||
		{ cat /run/fio-fill; die "fio cannot write its file"; }
	$FIO --rw=randwrite --bs=4k-16k --verify_backlog=64 --thinktime=15000 \
		--thinktime_blocks=8 --time_based --runtime=600 --output=/run/fio &
	fio=$!
	write_files &
	writer=$!
}

still_running()
{
	kill -0 "$fio" && kill -0 "$writer" && [ ! -s /run/writer-errors ]
}

stop_load()
{
	touch /run/stop
	wait "$writer"
	# It ends at once, and tells in its report whether there was an error.
	kill "$fio" 2>/dev/null || :
	wait "$fio" || :
	fio_errors=$(sed -n 's/.*: err= *\([0-9]*\).*/\1/p' /run/fio)
}

# ---------------------------------------------------------------------------
# The verdict

failures=0

# verdict WORDS COMMAND...: a line for the last table.
verdict()
{
	verdict_words_=$1
	shift
	if "$@" >/run/verdict 2>&1; then
		printf '  %-56s %s\n' "$verdict_words_" yes
	else
		printf '  %-56s %s\n' "$verdict_words_" "${bold}NO$plain"
		sed 's/^/      /' /run/verdict | tail -n 5
		failures=$((failures + 1))
	fi
}

figure()
{
	printf '  %-44s %10s %s\n' "$1" "$2" "$3"
}

file_system_is_sound()
{
	e2fsck -fn $DEST
}

# check_sums LIST FOLDER: are all files there, with the right content?
check_sums()
{
	[ -s "$1" ] && (cd "$2" && md5sum -c "$1" 2>&1 | grep -v ': OK$' >/run/sums || :)
	cat /run/sums
	[ ! -s /run/sums ]
}

fio_file_is_right()
{
	$FIO --rw=read --bs=64k --output=/run/fio-check || { cat /run/fio-check; return 1; }
}

# ---------------------------------------------------------------------------

now_cs
begun=$now
size=$(sectors $SOURCE)
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts

heading "1. A guest runs on the source, $((size / 2048)) MiB, and does not stop"
dmsetup create disk --table "0 $size linear $SOURCE 0"
fill
say "ext4 with $(wc -l </run/files.md5) files, $(df -m $MNT | awk 'END { print $3 }') MiB in use"
start_load
sleep 1
say "load: fio writes and verifies, another process writes new files"

heading "2. Every new write is mirrored, one pass copies the rest"
do_ livemigrate start disk --to $DEST --zeroed
now_cs
copy_begun=$now
wait_copied || die "it is not synced: $(livemigrate status disk)"
now_cs
seconds=$((now - copy_begun))
still_running || die "the load has ended: $(cat /run/fio /run/writer-errors)"
look
copied=$k_copied

heading "3. Is the copy right? The load goes on meanwhile"
legs=0
do_ livemigrate verify disk || legs=$?

heading "4. Cutover, failback, cutover: the load runs on"
for step in cutover failback cutover; do
	look
	was=$k_mirrored
	now_cs
	since=$now
	do_ livemigrate $step disk
	sleep 2
	look
	now_cs
	say "running on the $active, $(((k_mirrored - was) * 100 / (now - since))) guest writes/s on both legs"
done
still_running || die "the load has ended: $(cat /run/fio /run/writer-errors)"

heading "5. Commit: the source is let go"
look
leg_errors=$((k_read_errors + k_write_errors))
do_ livemigrate commit disk
say "its table is now: $(dmsetup table disk)"
[ -z "$(livemigrate list)" ] || die "a migration is left: $(livemigrate list)"
say "the source is overwritten, while the load runs"
dd if=/dev/urandom of=$SOURCE bs=1M count=64 conv=fsync,notrunc 2>/dev/null
sleep 1
still_running || die "the load has ended: $(cat /run/fio /run/writer-errors)"

heading "6. The load ends; the dest alone is looked at"
stop_load
fs_errors=$(cat /sys/fs/ext4/dm-*/errors_count)
umount $MNT
dmsetup remove disk

verdict "the legs were equal at synced" [ "$legs" = 0 ]
verdict "neither leg had an error" [ "$leg_errors" = 0 ]
verdict "the file system is sound (e2fsck -fn)" file_system_is_sound
verdict "it can be mounted" mount -t ext4 -o ro $DEST $MNT
verdict "all $(wc -l </run/files.md5) files have their checksums" check_sums /run/files.md5 $FILES
verdict "so have the $(wc -l </run/live.md5) written meanwhile" check_sums /run/live.md5 $LIVE
verdict "every block that fio wrote verifies" fio_file_is_right
umount $MNT 2>/dev/null || :
guest_errors=$((${fio_errors:-1} + $(wc -l </run/writer-errors) + fs_errors))
verdict "the guest saw no error" [ "$guest_errors" = 0 ]

echo
figure "copied in" "$(tenths $seconds 100)" s
figure "copied" "$(mib "$copied")" MiB
figure "skipped, as the guest had written it" "$(mib "$k_written_skipped")" MiB
figure "skipped, as it was zero" "$(mib "$k_zero_skipped")" MiB
figure "guest writes mirrored" "$k_mirrored" ""
figure "of them held, as a copy was being written" "$k_held" ""
figure "longest hold" "$(tenths "$k_held_max_us" 1000)" ms
figure "guest errors" "$guest_errors" ""
echo

[ $failures -eq 0 ] || die "$failures of these do not hold"
say "all of it held"
