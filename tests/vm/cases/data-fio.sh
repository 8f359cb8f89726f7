# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Someone else's opinion: fio, with a checksum over each 512 bytes, through a
# whole migration. Four jobs at once, each in its own part: random writes of
# 512 bytes to 1 MiB with an fsync now and then, a mixed bag of block sizes
# (bssplit) written synchronously, sequential writes at odd sectors, and, where
# the device discards, trims that are written again. Each round reads
# back all that it wrote. One round while the copier works; rounds in a row
# through cutover, failback and cutover; rounds through commit. The legs are
# compared byte for byte when it is synced and when it is switched, with no load,
# and what the last round wrote is read from the dest alone, with the device gone.
#
# Twice: with disks that know discard and write-zeroes, and with plain ones,
# there with larger regions and legs at an offset.
#
# vm: disks=40M:discard:zeroes,44M:discard:zeroes,40M,44M timeout=180
# Caught: large writes of which the dest gets a sector less (the legs differ).

. /vm/lib.sh

# round DEV SEED [OPTION...]
round()
{
	file=$1 seed=$2
	shift 2
	trim=
	[ "$discards" -eq 0 ] || trim="--name=trim --rw=randtrimwrite
		--bsrange=4k-256k --offset=28M --size=4M"
	# shellcheck disable=SC2086
	fio --output-format=terse --terse-version=3 --filename="$file" --direct=1 \
		--ioengine=libaio --iodepth=16 --verify=crc32c --verify_interval=512 \
		--verify_fatal=1 --verify_state_save=0 --randseed="$seed" \
		--allrandrepeat=1 --thread --group_reporting "$@" \
		--name=random --rw=randwrite --bsrange=512-1M --fsync=32 \
			--offset=0 --size=12M \
		--name=split --rw=randwrite --sync=1 --iodepth=4 \
			--bssplit=512/15:1536/10:4k/40:11k/15:64k/15:200k/5 \
			--offset=12M --size=8M \
		--name=sequential --rw=write --bsrange=512-300k \
			--offset=20972032 --size=7M \
		$trim >/run/fio.out 2>&1 ||
		{ cat /run/fio.out && die "fio has found something"; }
}

# Rounds until /run/stop appears; /run/seed has the last one's seed.
rounds()
{
	seed_=$1
	while [ ! -e /run/stop ]; do
		seed_=$((seed_ + 1))
		round /dev/mapper/m $seed_
		echo $seed_ >/run/seed
	done
}

end_rounds()
{
	bg_runs rounds || die "the load has ended: $(cat /run/rounds.log)"
	touch /run/stop
	bg_end rounds
	rm /run/stop
	note "rounds: $(($(cat /run/seed) - $1))"
}

legs_good()
{
	cmpdev "$source" "$dest" --skip-a "$from" --skip-b "$to" --sectors $len ||
		die "the legs differ"
}

# migrate SOURCE OFFSET DEST OFFSET REGION_SIZE
migrate()
{
	note "--- $*"
	source=$1 from=$2 dest=$3 to=$4 len=$((33 * 2048))
	discards=$(cat "/sys/block/${source##*/}/queue/discard_max_bytes")
	dd if=/dev/urandom of="$source" bs=1M count=40 conv=fsync 2>/dev/null
	blockdev --flushbufs "$source"

	dmsetup create m --table \
		"0 $len livemigrate $source $from $dest $to 4 region_size $5 copy_rate $((1024 / SLOWNESS))"
	round /dev/mapper/m 1
	[ "$(lm_field m phase)" = copying ] || die "the copier was done before the load"
	[ "$(lm_field m copied)" -gt 0 ] || die "nothing was copied under load"
	lm_msg m copy_rate 0
	lm_wait_phase m synced
	legs_good

	bg rounds rounds 100
	sleep 1
	for switch in cutover failback cutover; do
		lm_msg m $switch
		sleep 1
	done
	end_rounds 100
	lm_wait_phase m switched
	legs_good

	bg rounds rounds 200
	sleep 1
	lm_drop m commit
	sleep 0.5
	end_rounds 200
	dmsetup status m
	[ "$(lm_field m phase)" = committed ] || die "not committed"
	dmsetup remove m

	dmsetup create dest --table "0 $len linear $dest $to"
	round /dev/mapper/dest "$(cat /run/seed)" --verify_only
	dmsetup remove dest
}

migrate /dev/vda 0 /dev/vdb 0 8
migrate /dev/vdc 11 /dev/vdd 4095 256
