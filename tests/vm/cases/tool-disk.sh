# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# livemigrate disk and boot, over real reboots, in which the machine just stops: what
# is refused; an image; a migration with metadata that goes on where it was, copying
# and switched; a commit, after which the name means the new data; and one that was cut
# off before the kernel had it: no mapping, until somebody decides. A line that fails
# holds up no other one, and what is not asked for in the file stays as it is.
#
# vm: livemigrate=sanitized disks=16M,16M,8M,16M,8M boots=5 timeout=150
# vm: files=tests/vm/tool.sh modules=ext4,loop bins=jq

. /vm/lib.sh
export LIVEMIGRATE_TAB=/state/livemigrate.tab LIVEMIGRATE_STATE_DIR=/state/lib
. tool.sh

by_id
mkdir -p /state
note "=== boot $BOOT"

no_loops()
{
	[ -z "$(losetup -a)" ]
}

first_boot()
{
	mkfs.ext4 -q /dev/vdd
	mount /dev/vdd /state
	dd if=/dev/urandom of=/dev/vda bs=1M count=14 conv=notrunc,fsync 2>/dev/null

	note "--- refused"
	refused 9 'There is no disk /dev/vdz' disk add vm1 /dev/vdz
	refused 9 "Nothing can be called 'a/b'" disk add a/b /dev/vda
	refused 9 'There is no disk UUID=nowhere' disk add vm1 UUID=nowhere
	refused 9 'mounted on /state' disk add vm1 /dev/vdd
	dmsetup create holder --table "0 8 linear /dev/vde 0"
	refused 9 'held by the device holder' disk add vm1 /dev/vde
	dmsetup remove holder
	blockdev --setro /dev/vde
	refused 9 '/dev/vde is read-only' disk add vm1 /dev/vde
	blockdev --setrw /dev/vde
	truncate -s 2048 /run/small
	refused 9 'too small: it has 4 sectors' disk add vm1 /run/small
	truncate -s 1M /run/part
	losetup -o 4096 /dev/loop0 /run/part
	refused 9 'another device after a reboot' disk add vm1 /dev/loop0
	losetup -d /dev/loop0
	refused 2 'disk add NAME DEV' disk add vm1
	refused 2 "disk has no 'frob'" disk frob
	refused 4 'no disk vm1' disk remove vm1
	refused 4 'no disk vm1' disk resize vm1

	note "--- a disk"
	answers 0 'kept as /dev/disk/by-id/virtio-disk0' disk add vm1 /dev/vda
	lies_on vm1 vda
	grep -qx 'vm1 /dev/disk/by-id/virtio-disk0 size=32768' "$TAB" || die "$(cat "$TAB")"
	[ "$(dmsetup info -c --noheadings -o uuid vm1)" = LIVEMIGRATE-disk-vm1 ] || die "another uuid"
	answers 0 'vm1 is on /dev/disk/by-id/virtio-disk0' disk add vm1 /dev/vda
	refused 3 'There is a device vm1 already' disk add vm1 /dev/vdb
	refused 9 'held by the device vm1' disk add vm2 /dev/vda
	printf '# mine\n  other\t/dev/vdb noauto   # spare\n\nlost /dev/vdz -\n' >>"$TAB"
	refused 9 'is the disk of other: see .*, line 4' start vm1 --to /dev/vdb --force
	refused 9 'is the disk of other: see .*, line 4' disk add vm2 /dev/vdb
	refused 3 'other is /dev/vdb' disk add other /dev/vde
	sed -i 's,/dev/vdb,/dev/vde,' "$TAB"

	mkdir /dev/vg
	ln -s ../vdc /dev/vg/lv
	answers 0 'lv is on /dev/vg/lv, now' disk add lv vg/lv
	lies_on lv vdc
	tool disk remove lv

	note "--- an image, which grows"
	truncate -s 4M /state/image.raw
	answers 0 'img is on /state/image.raw' disk add img /state/image.raw
	[ "$(sectors /dev/mapper/img)" -eq 8192 ] || die "img has $(sectors /dev/mapper/img) sectors"
	answers 0 'as before' disk resize img
	truncate -s 6M /state/image.raw
	answers 0 '12288 sectors of 512 bytes now' disk resize img
	[ "$(sectors /dev/mapper/img)" -eq 12288 ] || die "img has $(sectors /dev/mapper/img) sectors"
	grep -qx 'img /state/image.raw size=12288' "$TAB" || die "$(cat "$TAB")"
	truncate -s 4M /state/image.raw
	refused 9 'has shrunk' disk resize img
	truncate -s 6M /state/image.raw
	tool disk resize img
	exec 7</dev/mapper/img
	refused 3 'img is in use' disk remove img
	exec 7<&-

	note "--- two lines of one name"
	echo 'vm1 /dev/vdc' >>"$TAB"
	answers 1 'line 2: there is another line of that name' disk list
	refused 3 'Mend it first' disk remove vm1
	refused 3 'Mend it first' disk add vm1 /dev/vdc
	sed -i '$d' "$TAB"

	note "--- the list"
	answers 0 '^vm1 +idle +16777216 /dev/disk/by-id/virtio-disk0$' disk list
	grep -q '^other *noauto' /run/said && grep -q '^lost *absent' /run/said || die "it does not list all"
	[ "$(livemigrate disk list --json | jq -c '[.schema, .version, (.disks[] | [.name, .path, .state, .below, .size, .noauto])]')" = \
		'["livemigrate-disks",1,["vm1","/dev/disk/by-id/virtio-disk0","idle","254:0",16777216,false],["other","/dev/vde","noauto",null,null,true],["lost","/dev/vdz","absent",null,null,false],["img","/state/image.raw","idle","7:0",6291456,false]]' ] ||
		die "$(livemigrate disk list --json)"

	note "--- boot, where all is there already"
	refused 9 'There is no disk /dev/vdz' boot

	note "--- a migration with metadata is cut off in the middle"
	tool start vm1 --to /dev/vdb --metadata /dev/vdc --rate 1500
	refused 3 'vm1 migrates: commit or abort that first' disk remove vm1
	refused 3 'vm1 migrates' disk resize vm1
	answers 0 '^vm1 +migrates' disk list
	token 1 /dev/mapper/vm1
	lm_wait_above vm1 done 1024
	# Metadata has what was copied two seconds ago.
	sleep 3
	tool pause vm1
	boot_again
}

second_boot()
{
	answers 9 'vm1: its migration goes on' boot
	grep -q 'There is no disk /dev/vdz' /run/said || die "the line that fails is not told of"
	[ "$(lm_field vm1 restored)" -gt 512 ] || die "it has begun anew: $(dmsetup status vm1)"
	[ "$(lm_field vm1 phase)" = copying ] || die "it does not copy: $(dmsetup status vm1)"
	[ "$(sectors /dev/mapper/img)" -eq 12288 ] || die "img is not there"
	has_token 1 /dev/mapper/vm1
	refused 9 'There is no disk /dev/vdz' boot
	sed -i '/^lost/d' "$TAB"
	sync
	tool rate vm1 0
	livemigrate status vm1 | grep -q paused || die "it has forgotten that it is paused"
	tool resume vm1
	tool wait vm1
	tool cutover vm1
	token 2 /dev/mapper/vm1
	boot_again
}

third_boot()
{
	tool boot
	has_token 2 /dev/mapper/vm1
	! dmsetup table vm1 | grep -E 'copy_rate|paused' || die "it has forgotten what the copier was told"
	tool wait vm1
	tool cutover vm1
	echo 'vm1 /dev/vdc' >>"$TAB"
	refused 3 'old data after a reboot' commit vm1
	sed -i '$d' "$TAB"
	sed 's/virtio-disk0/virtio-disk1/' "$TAB" >/run/wanted
	answers 0 'names /dev/disk/by-id/virtio-disk1 now' commit vm1
	cmp "$TAB" /run/wanted || die "$(cat "$TAB")"
	all_clear
	lies_on vm1 vdb
	token 3 /dev/mapper/vm1
	boot_again
}

fourth_boot()
{
	tool boot
	lies_on vm1 vdb
	has_token 3 /dev/mapper/vm1
	has_token 2 /dev/vda
	tool start vm1 --to /dev/vda --force
	tool wait vm1
	tool cutover vm1
	token 4 /dev/mapper/vm1
	note "--- commit is cut off when the record says it, and the kernel has not been told"
	n=0
	until grep -q '"step": *"commit"' $STATES/vm1.json; do
		n=$((n + 1))
		killat $n --from flock --changing livemigrate commit vm1 || :
		[ $n -lt 50 ] || die "commit never begins"
	done
	# It may be killed before that is flushed; then nobody would have been told of it.
	sync
	[ "$(lm_field vm1 phase)" = switched ] || die "the kernel has been told: $(dmsetup status vm1)"
	token 5 /dev/mapper/vm1
	boot_again
}

fifth_boot()
{
	answers 3 'vm1: the host went down in the middle of commit.*resume vm1.*takes it' boot
	[ ! -e /dev/mapper/vm1 ] || die "there is a mapping"
	[ "$(sectors /dev/mapper/img)" -eq 12288 ] || die "img is not there"
	answers 0 '^vm1 +undecided' disk list
	answers 0 '! the host has booted since, during commit' list
	refused 3 'during commit' abort vm1
	refused 3 'during commit' commit vm1
	refused 3 'in the middle of commit' boot
	answers 0 'commit is finished' resume vm1
	lies_on vm1 vda
	has_token 5 /dev/mapper/vm1
	grep -qx 'vm1 /dev/disk/by-id/virtio-disk0 size=32768' "$TAB" || die "$(cat "$TAB")"
	tool boot
	all_clear

	note "--- metadata that is damaged, or not there: no mapping, and the record stays"
	dd if=/dev/zero of=/dev/vdc bs=8k count=1 conv=fsync,notrunc 2>/dev/null
	tool start vm1 --to /dev/vdb --metadata /dev/vdc --force
	tool wait vm1
	tool cutover vm1
	token 6 /dev/mapper/vm1
	dmsetup remove vm1
	dmsetup remove vm1-livemigrate_src
	sed -i 's/"boot": *"[^"]*"/"boot":"another"/' $STATES/vm1.json
	cp $STATES/vm1.json /run/record
	dd if=/dev/vdc of=/run/metadata bs=8k count=1 2>/dev/null
	dd if=/dev/urandom of=/dev/vdc bs=8k count=1 conv=fsync,notrunc 2>/dev/null
	answers 9 'its migration cannot go on, so /dev/mapper/vm1 is not made' boot
	[ ! -e /dev/mapper/vm1 ] || die "there is a mapping"
	cmp /run/record $STATES/vm1.json || die "the record has changed: $(cat $STATES/vm1.json)"
	dd if=/dev/zero of=/dev/vdc bs=8k count=1 conv=fsync,notrunc 2>/dev/null
	answers 9 'holds no metadata, though the migration ran with it' boot
	[ ! -e /dev/mapper/vm1 ] || die "there is a mapping"
	cmp /run/record $STATES/vm1.json || die "the record has changed: $(cat $STATES/vm1.json)"
	dd if=/run/metadata of=/dev/vdc conv=fsync,notrunc 2>/dev/null
	sed -i 's,by-id/virtio-disk2,by-id/nowhere,' $STATES/vm1.json
	answers 9 'is not made' boot
	[ ! -e /dev/mapper/vm1 ] || die "there is a mapping"
	sed -i 's,by-id/nowhere,by-id/virtio-disk2,' $STATES/vm1.json
	# A device by that name that is not ours.
	dmsetup create vm1 --table "0 8 linear /dev/vde 0"
	answers 3 'There is a device vm1, but not that of the migration: remove it' resume vm1
	answers 3 'There is a device vm1, but not that of the migration: remove it' boot
	dmsetup remove vm1
	# noauto is no business of boot's; a person may say it all the same.
	cp "$TAB" /run/tab
	sed -i '/^vm1 /s/ -$/ noauto/; /^vm1 /s/\(size=[0-9]*\)$/\1,noauto/' "$TAB"
	grep -q '^vm1 .*noauto' "$TAB" || die "$(cat "$TAB")"
	tool boot
	[ ! -e /dev/mapper/vm1 ] || die "there is a mapping"
	answers 0 'its migration goes on' resume vm1
	cp /run/tab "$TAB"
	[ "$(lm_field vm1 active)" = dest ] || die "it has forgotten its roles: $(dmsetup status vm1)"
	has_token 6 /dev/mapper/vm1
	tool wait vm1
	tool failback vm1
	tool abort vm1
	all_clear
	lies_on vm1 vda

	note "--- by what lies on it, until two devices bear that"
	mkfs.ext4 -q -U 12345678-1234-1234-1234-123456789abc /dev/vde
	sed -i '/other/d' "$TAB"
	refused 9 'is what is on the disk, which a migration copies.*: use /dev/disk/by-id' \
		disk add tagged UUID=12345678-1234-1234-1234-123456789abc
	# By hand it can be written.
	echo 'tagged UUID=12345678-1234-1234-1234-123456789abc -' >>"$TAB"
	tool boot
	lies_on tagged vde
	refused 9 'the destination will be called so, too: write /dev/disk/by-id' \
		start tagged --to /dev/vdc --force
	dmsetup remove tagged
	note "--- ... or the copy is all that there is, and a record tells of it"
	sed 's,"name": *"vm1","name":"tagged",; s,"uuid": *"LIVEMIGRATE-disk-vm1","uuid":"LIVEMIGRATE-disk-tagged",; s,"step": *"[a-z]*","step":"run",; s/"metadata": *{[^}]*},//; s,"path": *"[^"]*","path":"/dev/vde",' \
		/run/record >$STATES/tagged.json
	refused 3 'finds /dev/vde, which is the destination of its migration' boot
	rm $STATES/tagged.json
	dd if=/dev/vde of=/dev/vdc bs=1M conv=fsync,notrunc 2>/dev/null
	refused 9 'is /dev/vd[ce], but also /dev/vd[ce]' boot
	dd if=/dev/zero of=/dev/vdc bs=1M count=1 conv=fsync,notrunc 2>/dev/null
	tool boot
	lies_on tagged vde

	note "--- an image that is called as a raw one, and looks like another"
	printf 'QFI\373' >/run/odd.img
	dd if=/dev/zero of=/run/odd.img bs=1M seek=1 count=1 2>/dev/null
	refused 9 'looks like one of the kind qcow2: let its name end in .qcow2' \
		disk add odd /run/odd.img
	rm /run/odd.img

	note "--- lines made by hand: one lies on the next, and that is waited for"
	printf 'upper /dev/mapper/late\nlate /dev/disk/by-id/late -\n' >>"$TAB"
	(sleep 2 && ln -s ../../vdc /dev/disk/by-id/late) &
	tool boot --timeout 20
	lies_on late vdc
	[ "$(sectors /dev/mapper/upper)" -eq 16384 ] || die "upper is not there"
	refused 3 'late is in use' disk remove late

	for name in vm1 img tagged upper late; do
		tool disk remove $name
	done
	[ "$(grep -cv '^#\|^$' "$TAB")" = 0 ] || die "$(cat "$TAB")"
	grep -qx '# mine' "$TAB" || die "the comment has gone"
	wait_until 5 no_loops || die "a loop device is left: $(losetup -a)"
	umount /state
}

[ "$BOOT" -eq 1 ] || mount /dev/vdd /state
case "$BOOT" in
1) first_boot ;;
2) second_boot ;;
3) third_boot ;;
4) fourth_boot ;;
5) fifth_boot ;;
esac
