# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Folders that hold a small Debian of another suite, for the host's scripts.
# Sourced, after common.sh and apt.sh; as root.

# The clean ones, of which copies are made, and what apt has downloaded for them.
ROOTS=$CACHE/roots

# make_root SUITE: the clean folder of that suite, if it is not there yet. Its
# packages come from where this machine's own come from.
make_root()
{
	local final=$ROOTS/$1 tmp=$ROOTS/$1.tmp source=$ROOTS/$1.sources mirror key
	[ ! -f "$final/.ready" ] || return 0
	need_root "debootstrap"
	install_packages debootstrap
	mkdir -p "$ROOTS/archives-$1/partial"
	rm -rf "$tmp"
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
