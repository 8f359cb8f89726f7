# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What the works of the benchmark share, in the machine. A work is a case of the test
# machine's; its figures are lines on its output:
#
#	FIGURE WORK SUBJECT VALUE

# figure WORK SUBJECT VALUE
figure()
{
	echo "FIGURE $1 $2 $3"
}

# null_disk MIB [ATTRIBUTE=VALUE...]: a disk of nothing, which answers at once; its node in
# $disk. Attributes as the kernel's null_blk has them.
null_disks=0
null_disk()
{
	nd_=/sys/kernel/config/nullb/nullb$null_disks
	mkdir "$nd_"
	echo "$1" >"$nd_/size"
	shift
	for nd_word_; do
		echo "${nd_word_#*=}" >"$nd_/${nd_word_%%=*}"
	done
	echo 1 >"$nd_/power"
	# shellcheck disable=SC2034 # for who calls
	disk=/dev/nullb$null_disks
	null_disks=$((null_disks + 1))
}

# fio_run DEV WORD...: fio's one line of figures, semicolons between, in /run/fio.
fio_run()
{
	fr_dev_=$1
	shift
	fio --name=bench --filename="$fr_dev_" --direct=1 --ioengine=io_uring --norandommap \
		--randrepeat=1 --allrandrepeat=1 --minimal --terse-version=3 "$@" >/run/fio 2>/run/fio.err ||
		{ cat /run/fio /run/fio.err; die "fio has failed on $fr_dev_"; }
}

# fio_had RW: the IOPS that it had.
fio_had()
{
	case "$1" in
	*read) cut -d ';' -f 8 /run/fio ;;
	*) cut -d ';' -f 49 /run/fio ;;
	esac
}

# seconds_since MS: since now_ms was that.
seconds_since()
{
	awk -v ms=$(($(now_ms) - $1)) 'BEGIN { print ms / 1000 }'
}

# fio_iops DEV RW: of 4 KiB, 16 at a time; a second's work is repeated until it is warm.
fio_iops()
{
	fio_run "$1" --rw="$2" --bs=4k --iodepth=16 --number_ios=60000 --size=1G
	fio_had "$2"
}
