# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# A table line that cannot be is refused with one sentence that says why, and
# nothing has changed: neither the device that it was loaded over, nor one that
# has nothing to do with it, and no leg is held. What is next to each error and
# right is accepted.
#
# Method: each line is loaded and the kernel's log is searched for its sentence;
# after each the running device's table and status must be what they were, as
# text, and there must be nothing in the inactive slot.
#
# vm: disks=16M,16M,16M,16M,8M,16M:logical=4096,16M:logical=4096
# vm: modules=null_blk:nr_devices=1:zoned=1:zone_size=4:gb=1:memory_backed=0
# vm: kernels=6.1,6.12

. /vm/lib.sh

live_unchanged()
{
	[ "$(dmsetup table m && dmsetup status m)" = "$live" ] ||
		die "$1: the running device was '$live' and is '$(dmsetup table m && dmsetup status m)'"
	case "$(dmsetup info -c --noheadings -o tables_loaded "$2")" in
	*Inactive* | Both) die "$1: $2 has a table in the inactive slot now" ;;
	esac
}

# no REGEX LINE: a device that has no table yet refuses it.
no()
{
	lm_refused "$1" dmsetup load x --table "$2"
	live_unchanged "$2" x
}

# not_over REGEX LINE: the running one refuses it.
not_over()
{
	lm_refused "$1" dmsetup load m --table "$2"
	live_unchanged "$2" m
}

# Words after "0 32768 livemigrate", or the options of a line with two good legs.
words()
{
	no "$1" "0 32768 livemigrate $2"
}

options()
{
	no "$1" "0 32768 livemigrate /dev/vdc 0 /dev/vdd 0 $2"
}

# yes LINE: it can be loaded; what would be printed can be, too.
yes()
{
	dmsetup load x --table "$1"
	y_line_=$(dmsetup table --inactive x)
	dmsetup clear x
	dmsetup load x --table "$y_line_"
	dmsetup clear x
}

lm_create m /dev/vda /dev/vdb region_size 64
lm_wait_phase m synced
live=$(dmsetup table m && dmsetup status m)
dmsetup create x --notable

note "-- legs and offsets"
words 'line has 3 words, and at least 4' '/dev/vdc 0 /dev/vdd'
words 'line has 1 words, and at least 4' '/dev/vdc'
words "source offset 'x' is not a number" '/dev/vdc x /dev/vdd 0'
words "dest offset '-1' is not a number" '/dev/vdc 0 /dev/vdd -1'
words "dest offset '\\+1' is not a number" '/dev/vdc 0 /dev/vdd +1'
words "dest offset '8k' is not a number" '/dev/vdc 0 /dev/vdd 8k'
words "dest offset '0x8' is not a number" '/dev/vdc 0 /dev/vdd 0x8'
words "source offset '36028797018963968' is not a number" '/dev/vdc 36028797018963968 /dev/vdd 0'
words "source offset '18446744073709551616' is not a number" '/dev/vdc 18446744073709551616 /dev/vdd 0'
words "cannot open the source '/dev/none'" '/dev/none 0 /dev/vdd 0'
words "cannot open the dest '999:999'" '/dev/vdc 0 999:999 0'
words "cannot open the dest '/dev/null'" '/dev/vdc 0 /dev/null 0'
words "cannot open the dest '/dev'" '/dev/vdc 0 /dev 0'
mkswap /dev/vdd >/dev/null
swapon /dev/vdd
words "cannot open the dest '/dev/vdd'.*nobody holds it exclusively" '/dev/vdc 0 /dev/vdd 0'
swapoff /dev/vdd
words "dropped source is written '- 0', not '- 8'" '- 8 /dev/vdd 0'
words "source and dest are both dropped" '- 0 - 0'
words "source and dest lie on the same sectors" '/dev/vdc 0 /dev/vdc 0'
no "source and dest lie on the same sectors" '0 16384 livemigrate /dev/vdc 0 /dev/vdc 16376'
no "source and dest lie on the same sectors" '0 16384 livemigrate /dev/vdc 16376 /dev/vdc 0'
yes '0 16384 livemigrate /dev/vdc 0 /dev/vdc 16384'

note "-- sizes and blocks"
words "dest '/dev/vde' is too small: it has 16384 sectors, and 32768 from 0 on" '/dev/vdc 0 /dev/vde 0'
words "source '/dev/vde' is too small" '/dev/vde 0 /dev/vdc 0'
words "dest '/dev/vdd' is too small: .* 32768 from 1 on" '/dev/vdc 0 /dev/vdd 1'
words "dest '/dev/vdd' is too small: .* from 36028797018963967 on" '/dev/vdc 0 /dev/vdd 36028797018963967'
yes '0 16384 livemigrate /dev/vdd 16384 /dev/vde 0'
words "dest has logical blocks of 4096 bytes, the source of 512" '/dev/vdc 0 /dev/vdf 0'
no "source offset 1 or the length 1024 is no multiple of the 4096-byte" '0 1024 livemigrate /dev/vdf 1 /dev/vdc 0'
no "dest offset 4 or the length 1024 is no multiple of the 4096-byte" '0 1024 livemigrate /dev/vdf 0 /dev/vdg 4'
no "length 1025 is no multiple of the 4096-byte" '0 1025 livemigrate /dev/vdf 0 /dev/vdc 0'
yes '0 1024 livemigrate /dev/vdf 8 /dev/vdg 16'
yes '0 1025 livemigrate /dev/vdc 3 /dev/vdd 1'
if [ "$(cat /sys/block/nullb0/queue/zoned)" != none ]; then
	words "dest '/dev/nullb0' is a zoned device" '/dev/vdc 0 /dev/nullb0 0'
	words "source '/dev/nullb0' is a zoned device" '/dev/nullb0 0 /dev/vdc 0'
else
	die "null_blk makes no zoned device"
fi

note "-- options"
options "count of option words 'x' is not a number" 'x'
options "count of option words '1x' is not a number" '1x paused'
options "announces 2 option words and has 1" '2 paused'
options "announces 0 option words and has 1" '0 paused'
options "announces 1 option words and has 0" '1'
options "option 'frobnicate' is unknown" '1 frobnicate'
options "option 'Paused' is unknown" '1 Paused'
options "option 'paused' is given twice" '2 paused paused'
options "option 'region_size' is given twice" '4 region_size 8 region_size 8'
for option in region_size copy_rate active metadata standby_timeout; do
	options "option '$option' lacks its value" "2 paused $option"
done
for size in 0 4 7 12 4096 -8 8x 99999999999999999999; do
	options "region_size '$size' is not a power of two from 8 to 2048" "2 region_size $size"
done
for rate in -1 4294967296 1k x 0x1; do
	options "copy_rate '$rate' is not a number of KiB/s from 0 to 4294967295" "2 copy_rate $rate"
done
options "active 'both' is neither source nor dest" '2 active both'
for time in -1 86400001 5s x; do
	options "standby_timeout '$time' is not a number of milliseconds from 0 to 86400000" "2 standby_timeout $time"
done
options "cannot open the metadata device '/dev/nope'" '2 metadata /dev/nope'
options "the metadata device '/dev/vdc' and the source lie on the same sectors" '2 metadata /dev/vdc'
options "the metadata device '/dev/vdd' and the dest lie on the same sectors" '2 metadata /dev/vdd'
options "option 'verify' is unknown" '1 verify'
words "active is source, which is dropped" '- 0 /dev/vdd 0 2 active source'
words "active is dest, which is dropped" '/dev/vdc 0 - 0 2 active dest'
yes '0 32768 livemigrate /dev/vdc 0 /dev/vdd 0 8 active source region_size 2048 dest_zeroed detached copy_rate 4294967295'
yes '0 32768 livemigrate - 0 /dev/vdd 0 2 active dest'
yes '0 32768 livemigrate /dev/vdc 0 - 0'
lm_refused 'read-only table cannot migrate' dmsetup load -r x --table \
	'0 32768 livemigrate /dev/vdc 0 /dev/vdd 0'

note "-- what does not go with the running one"
not_over "(source|dest) '/dev/mapper/m' (is the device itself|)|cannot open the (source|dest) '/dev/mapper/m'" \
	'0 32768 livemigrate /dev/vda 0 /dev/mapper/m 0'
not_over "region_size 8 differs from the running migration's 64" \
	'0 32768 livemigrate /dev/vda 0 /dev/vdb 0 2 region_size 8'
for legs in '/dev/vda 0 /dev/vdc 0' '/dev/vdc 0 /dev/vdb 0' '/dev/vdb 0 /dev/vda 0' \
	'/dev/vdc 0 /dev/vdd 0' '/dev/vda 0 - 0' '- 0 /dev/vdb 0'; do
	not_over "this device runs another migration: name its legs" "0 32768 livemigrate $legs"
done
not_over "this device runs another migration" '0 16384 livemigrate /dev/vda 0 /dev/vdb 0'
not_over "this device runs another migration" '0 16384 livemigrate /dev/vda 16384 /dev/vdb 0'
not_over "option 'paused' is given twice" '0 32768 livemigrate /dev/vda 0 /dev/vdb 0 2 paused paused'
for legs in '/dev/vda 0 /dev/vdd 0' '/dev/vdc 0 /dev/vdb 0' '/dev/vdb 0 /dev/vdd 0' \
	'/dev/vdc 0 /dev/vda 0' '- 0 /dev/vdb 0' '/dev/vda 0 - 0'; do
	words "a leg is in use by the migration of device 25[0-9]:0: remove that first" "$legs"
done

note "-- a disk and its partition do not go together, two partitions do"
printf 'o\nn\np\n1\n8192\n16383\nn\np\n2\n16384\n32767\nw\n' | fdisk -u /dev/vdd >/dev/null 2>&1 || :
[ "$(cat /sys/block/vdd/vdd1/start)" = 8192 ] || die "no partition was made: $(cat /proc/partitions)"
no "cannot open the dest '/dev/vdd'" '0 8192 livemigrate /dev/vdd1 0 /dev/vdd 8192'
no "cannot open the dest '/dev/vdd1'" '0 8192 livemigrate /dev/vdd 8192 /dev/vdd1 0'
yes '0 8192 livemigrate /dev/vdd1 0 /dev/vdd2 0'
dmsetup create y --table '0 8192 livemigrate /dev/vdd1 0 /dev/vde 0'
no "cannot open the dest '/dev/vdd'" '0 8192 livemigrate /dev/vdc 0 /dev/vdd 8192'
no 'leg is in use' '0 8192 livemigrate /dev/vdc 0 /dev/vdd1 0'
yes '0 8192 livemigrate /dev/vdc 0 /dev/vdd2 0'
lm_wait_phase y synced
dmsetup remove y

note "-- more regions than there is memory for"
dmsetup create huge1 --table "0 137438953472 error"
dmsetup create huge2 --table "0 137438953472 error"
no 'no memory for the bitmap of 17179869184 regions: choose a larger region_size' \
	'0 137438953472 livemigrate /dev/mapper/huge1 0 /dev/mapper/huge2 0'
yes '0 137438953472 livemigrate /dev/mapper/huge1 0 /dev/mapper/huge2 0 2 region_size 2048'
dmsetup remove x
dmsetup remove huge1
dmsetup remove huge2

note "-- larger blocks at the source are no obstacle"
lm_create y /dev/vdf /dev/vdc
[ "$(blockdev --getss /dev/mapper/y)" = 4096 ] || die "the block size is the dest's"
lm_wait_phase y synced
legs_equal /dev/vdf /dev/vdc
lm_msg y cutover
lm_msg y commit
dmsetup remove y

note "-- two targets in one table"
dmsetup create y <<LINES
0 8192 livemigrate /dev/vdc 0 /dev/vdd 0
8192 8192 livemigrate /dev/vde 0 /dev/vdc 8192
LINES
both_synced()
{
	[ "$(dmsetup status y | grep -c ' synced ')" = 2 ]
}
wait_until 20 both_synced || die "not both are synced: $(dmsetup status y)"
legs_equal /dev/mapper/y /dev/vdd 8192
dmsetup remove y

[ "$(dmsetup table m && dmsetup status m)" = "$live" ] || die "the running device has changed"
dmsetup remove m
for disk in a b c d e f g; do
	[ -z "$(ls /sys/block/vd$disk/holders)" ] || die "vd$disk is still held"
done
