#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds dm-clone, which Debian's kernels leave out, of Debian's own source, and prints
# where it is.
#
# Usage: tests/bench/clone.sh KERNEL

set -eu
. "$(dirname "$0")/../common.sh"
. "$TOP/tests/apt.sh"

kernel=$1
[ "$kernel" = 6.1 ] || die "dm-clone is built of linux-source-6.1, for the kernel 6.1 alone"
release=$(kernel_release "$kernel")
final=$CACHE/clone/$release
module=$final/dm-clone.ko
[ -f "$module" ] && echo "$module" && exit

install_packages linux-source-6.1 >&2
tmp=$final.$$
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp"
# What it is made of, and the headers that it wants from beside it.
tar -xJf /usr/src/linux-source-6.1.tar.xz -C "$tmp" --strip-components=3 \
	--wildcards 'linux-source-6.1/drivers/md/dm-clone*' \
	'linux-source-6.1/drivers/md/*.h'
cat >"$tmp/Kbuild" <<'EOF'
obj-m := dm-clone.o
dm-clone-y := dm-clone-target.o dm-clone-metadata.o
EOF
make -s -C "$(kernel_dir "$kernel")/build" M="$tmp" modules >"$tmp/log" 2>&1 ||
	{ cat "$tmp/log" >&2; die "dm-clone does not build"; }
strip --strip-debug "$tmp/dm-clone.ko"
mkdir -p "$final"
mv "$tmp/dm-clone.ko" "$module"
echo "$module"
