# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Folders that hold a small Debian of another suite, for the host's scripts.
# Sourced, after common.sh and apt.sh; as root.

# The clean ones, of which copies are made, and what apt has downloaded for them.
ROOTS=$CACHE/roots

# Of a machine that is made of such a folder: no terminal, nobody who logs in, nothing that
# wants the network or the clock.
# shellcheck disable=SC2034 # those who source this use it
MASKED=(getty.target systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer
	dpkg-db-backup.timer e2scrub_all.timer fstrim.timer systemd-networkd.service)

# unshare_mounts SCRIPT ARG...: begins the script anew, where mounts are seen by nobody else and
# vanish with it at the latest; does nothing if that was done.
unshare_mounts()
{
	[ -z "${LIVEMIGRATE_UNSHARED:-}" ] || return 0
	need_root "chroot"
	LIVEMIGRATE_UNSHARED=1 exec unshare --mount --propagation private "$@"
}

# lock_roots: nobody else is at work there, until we end or close descriptor 9.
lock_roots()
{
	mkdir -p "$ROOTS"
	exec 9>"$ROOTS/.lock"
	flock -n 9 || die "another one is at work in $ROOTS: wait until it has ended"
}

# make_root SUITE: the clean folder of that suite, if it is not there yet. Its
# packages come from where this machine's own come from.
make_root()
{
	local final=$ROOTS/$1 tmp=$ROOTS/$1.tmp source=$ROOTS/$1.sources mirror key
	[ ! -f "$final/.ready" ] || return 0
	need_root "debootstrap"
	install_packages debootstrap
	mkdir -p "$ROOTS/archives-$1/partial"
	# Of a run that was cut off.
	leave_root "$tmp"
	rm -rf --one-file-system "$tmp"
	derive_sources "$1" "$source"
	mirror=$(awk '$1 == "URIs:" { print $2 }' "$source")
	key=$(awk '$1 == "Signed-By:" && $2 ~ /^\// { print $2 }' "$source")
	quietly debootstrap --variant=minbase --cache-dir="$ROOTS/archives-$1" \
		${key:+--keyring="$key"} "$1" "$tmp" "$mirror" ||
		die "debootstrap could not make a folder of the suite '$1': does the machine's mirror have it?"
	rm -f "$tmp/etc/apt/sources.list" "$tmp"/var/cache/apt/archives/*.deb
	cp "$source" "$tmp/etc/apt/sources.list.d/derived.sources"
	[ -z "$key" ] || [ -f "$tmp$key" ] || install -D -m 644 "$key" "$tmp$key"
	touch "$tmp/.ready"
	rm -rf "$final"
	mv "$tmp" "$final"
}

# enter_root FOLDER SUITE: mounts what programs in it want. Without /proc no
# kernel's make works.
enter_root()
{
	mount -t proc proc "$1/proc"
	mount --bind "$ROOTS/archives-$2" "$1/var/cache/apt/archives"
	cp /etc/resolv.conf "$1/etc/resolv.conf"
}

# leave_root FOLDER: does no harm where nothing is mounted.
leave_root()
{
	local at
	for at in proc var/cache/apt/archives; do
		! mountpoint -q "$1/$at" || umount -l "$1/$at"
	done
}

# in_root FOLDER COMMAND...
in_root()
{
	local folder=$1
	shift
	env -u TMPDIR PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
		DEBIAN_FRONTEND=noninteractive chroot "$folder" "$@" </dev/null
}
