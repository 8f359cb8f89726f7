#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Installs what the build and the tests need on Debian 12, and unpacks the
# kernels of kernels.list into a cache. Does nothing, and quickly, where
# everything is there. The kernels "debug" and "kcsan" are built there of Debian's
# source, with the files in tests/debug: each takes some ten minutes, once.
#
# Usage: tests/setup.sh [KERNEL...]
#        (if none is named those of kernels.list for which modules are built here)

set -eu
. "$(dirname "$0")/common.sh"
. "$TOP/tests/apt.sh"
. "$TOP/tests/chroot.sh"

# libelf is for objtool, which comes with the headers; python's library for coccinelle.
PACKAGES=(
	gcc make libc6-dev libelf-dev kmod xz-utils perl
	libdevmapper-dev dmsetup libblkid-dev libjson-c-dev jq
	sparse shellcheck clang spin coccinelle libpython3-dev codespell graphviz
	qemu-system-x86 qemu-utils lvm2 nbdkit nbd-client nvme-cli busybox-static cpio
	util-linux e2fsprogs xfsprogs fio udev systemd trace-cmd
)
# For a kernel to be built.
DEBUG_PACKAGES=(linux-source-6.1 flex bison bc libelf-dev)

# use_suite SUITE: sets apt_options so that apt sees that suite: the machine's
# own lists for its own suite, private ones in the cache for another.
use_suite()
{
	local dir=$CACHE/apt/$1

	apt_options=(-qq -o APT::Sandbox::User=root -o Acquire::Retries=3)
	if [ "$1" = "$(codename)" ]; then
		system_update
		return
	fi
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	: >"$dir/status"
	derive_sources "$1" "$dir/private.sources"
	apt_options+=(
		-o Dir::Etc::sourcelist="$dir/private.sources"
		-o Dir::Etc::sourceparts=/dev/null
		-o Dir::Etc::preferences=/dev/null
		-o Dir::Etc::preferencesparts=/dev/null
		-o Dir::State::lists="$dir/lists"
		-o Dir::State::status="$dir/status"
		-o Dir::Cache="$dir/cache"
	)
	quietly apt-get "${apt_options[@]}" update ||
		die "apt-get update failed for the suite '$1': does the machine's mirror have it?"
}

# closure PACKAGE...: these and the linux-* packages that they depend on.
# Nothing else is wanted: compilers and libraries are installed already.
closure()
{
	local todo=("$@") seen=" " p d
	while [ ${#todo[@]} -gt 0 ]; do
		p=${todo[0]}
		todo=("${todo[@]:1}")
		case "$seen" in *" $p "*) continue ;; esac
		seen+="$p "
		for d in $(apt-cache "${apt_options[@]}" depends --important "$p" |
				awk '$1 == "Depends:" || $1 == "|Depends:" { print $2 }'); do
			case "$d" in
			linux-image-* | linux-headers-* | linux-kbuild-*) todo+=("$d") ;;
			# Parts of an image, since 7.x.
			linux-binary-* | linux-modules-* | linux-base-[0-9]*) todo+=("$d") ;;
			esac
		done
	done
	echo "$seen"
}

# relocate ROOT FINAL: make an unpacked kernel work from FINAL instead of /.
relocate()
{
	local root=$1 final=$2 release link target file image

	# Debian has /lib as a link to /usr/lib, and packages with either path.
	if [ -d "$root/lib" ] && [ ! -L "$root/lib" ]; then
		mkdir -p "$root/usr/lib"
		cp -a "$root/lib/." "$root/usr/lib/"
		rm -r "${root:?}/lib"
	fi
	ln -sfn usr/lib "$root/lib"

	# Since 7.x the image lies beside its modules.
	image=$(cd "$root" && ls boot/vmlinuz-* usr/lib/modules/*/vmlinuz 2>/dev/null | head -n 1)
	release=${image#boot/vmlinuz-}
	release=${release#usr/lib/modules/}
	release=${release%/vmlinuz}
	[ -d "$root/lib/modules/$release" ] &&
		[ -d "$root/usr/src/linux-headers-$release" ] ||
		die "the image and the headers are of different versions: try again later"

	find "$root/usr/src" "$root/usr/lib" -type l -lname '/*' -print0 |
		while IFS= read -r -d '' link; do
			target=$(readlink "$link")
			ln -sfn "$final$target" "$link"
		done
	for file in "$root/usr/src/linux-headers-$release/Makefile" \
			"$root/usr/src/linux-headers-$release/.kernelvariables"; do
		[ ! -f "$file" ] ||
			sed -i "s,\([ =]\)/usr/\(src\|lib\)/,\1$final/usr/\2/,g" "$file"
	done
	ln -sfn "usr/src/linux-headers-$release" "$root/build"
	ln -sfn "$image" "$root/vmlinuz"
	echo "$release" >"$root/release"
	depmod -b "$root" "$release"
}

# What builds a module there. The clean folder stays clean.
BUILDING=(gcc make libelf1 pahole)

# make_building_root SUITE
make_building_root()
{
	local final=$ROOTS/$1-building tmp=$ROOTS/$1-building.tmp status=0
	[ ! -f "$final/.ready" ] || return 0
	echo "setup: making a small $1, in which modules are built"
	make_root "$1"
	# Of a run that was cut off.
	leave_root "$tmp"
	rm -rf --one-file-system "$tmp"
	cp -a "$ROOTS/$1" "$tmp"
	rm -f "$tmp/.ready"
	enter_root "$tmp" "$1"
	quietly in_root "$tmp" apt-get -q update &&
		quietly in_root "$tmp" apt-get -y -q install --no-install-recommends \
			"${BUILDING[@]}" || status=1
	leave_root "$tmp"
	[ $status -eq 0 ] || die "apt-get could not install in $tmp: ${BUILDING[*]}"
	touch "$tmp/.ready"
	rm -rf --one-file-system "$final"
	mv "$tmp" "$final"
}

# fetch_kernel NAME SUITE PATTERN [SUITE]
fetch_kernel()
{
	local final tmp deb packages room=${4:-}
	[ "$room" != "$(codename)" ] || room=""
	[ -z "$room" ] || make_building_root "$room"
	final=$(kernel_dir "$1")
	tmp=$final.tmp
	echo "setup: downloading kernel $1 ($2)"
	rm -rf "$tmp"
	mkdir -p "$tmp/debs"
	use_suite "$2"
	packages=$(closure "${3/@/image}" "${3/@/headers}")
	case "$packages" in
	*linux-kbuild-*) ;;
	*) die "the suite '$2' does not have the packages ${3/@/image} and ${3/@/headers}" ;;
	esac
	# shellcheck disable=SC2086
	(cd "$tmp/debs" && quietly apt-get "${apt_options[@]}" download $packages) ||
		die "apt-get could not download: $packages"
	for deb in "$tmp"/debs/*.deb; do
		dpkg-deb -x "$deb" "$tmp"
	done
	rm -r "$tmp/debs"
	relocate "$tmp" "$final"
	[ -z "$room" ] || echo "$ROOTS/$room-building" >"$tmp/built-in"
	echo "$final" >"$tmp/.ready"
	rm -rf "$final"
	mv "$tmp" "$final"
}

# install_compiler NAME: the one that this kernel was built with, should this machine's own be
# a younger one.
install_compiler()
{
	local compiler
	[ ! -e "$(kernel_dir "$1")/built-in" ] || return 0
	compiler=$(kernel_compiler "$1")
	command -v "$compiler" >/dev/null || install_packages "$compiler"
}

# The headers packages have no checkpatch, and no scripts for coccinelle, so they are taken
# from the source.
fetch_checkpatch()
{
	local final=$CACHE/checkpatch tmp=$CACHE/checkpatch.tmp
	echo "setup: downloading linux-source-6.1 for checkpatch and coccinelle"
	rm -rf "$tmp"
	mkdir -p "$tmp"
	use_suite bookworm
	(cd "$tmp" && quietly apt-get "${apt_options[@]}" download linux-source-6.1) ||
		die "apt-get could not download linux-source-6.1"
	dpkg-deb --fsys-tarfile "$tmp"/linux-source-6.1_*.deb |
		tar -xO ./usr/src/linux-source-6.1.tar.xz |
		tar -xJ -C "$tmp" --strip-components=2 \
			linux-source-6.1/scripts/checkpatch.pl \
			linux-source-6.1/scripts/coccinelle \
			linux-source-6.1/scripts/spelling.txt \
			linux-source-6.1/scripts/const_structs.checkpatch
	rm -f "$tmp"/*.deb
	rm -rf "$final"
	mv "$tmp" "$final"
}

# build_debug_kernel NAME: of Debian's source, and of the files in tests/debug.
build_debug_kernel()
{
	local final tmp tree release make
	final=$(kernel_dir "$1")
	tmp=$final.tmp
	tree=$tmp/build
	echo "setup: building the kernel $1: some ten minutes, once"
	rm -rf "$tmp"
	mkdir -p "$tree" "$tmp/boot" "$tmp/usr"
	tar -xJf /usr/src/linux-source-6.1.tar.xz -C "$tree" --strip-components=1
	# It works on x86, but 6.1 does not know yet.
	sed -i '/^config FAULT_INJECTION_STACKTRACE_FILTER$/,/^$/ { /depends on !X86_64/d }' \
		"$tree/lib/Kconfig.debug"
	debug_config "$1" >"$tmp/fragment"
	make=(nice -n 15 make -C "$tree" -s ARCH=x86_64 -j"$(nproc)")
	(cd "$tree" && ARCH=x86_64 scripts/kconfig/merge_config.sh -n "$tmp/fragment") \
		>"$tmp/merge.log" 2>&1 ||
		{ cat "$tmp/merge.log" >&2; die "the source of linux-source-6.1 takes no configuration"; }
	# A checker that is silently left out finds nothing.
	! grep -A 2 '^Value requested' "$tmp/merge.log" >&2 ||
		die "the kernel's configuration does not obey tests/debug/$1.config: see above, and mend that file"
	quietly "${make[@]}" bzImage modules ||
		die "the kernel $1 does not build: see above"
	release=$("${make[@]}" kernelrelease)
	quietly "${make[@]}" INSTALL_MOD_PATH="$tmp/usr" modules_install ||
		die "the modules of the kernel $1 cannot be installed: see above"
	cp "$tree/arch/x86/boot/bzImage" "$tmp/boot/vmlinuz-$release"
	cp "$tree/System.map" "$tmp/boot/System.map-$release"
	prune_tree "$tree"
	rm -f "$tmp/usr/lib/modules/$release/"{build,source}
	ln -sfn usr/lib "$tmp/lib"
	ln -sfn "boot/vmlinuz-$release" "$tmp/vmlinuz"
	echo "$release" >"$tmp/release"
	echo 8 >"$tmp/slowness"
	depmod -b "$tmp" "$release"
	echo "$final" >"$tmp/.ready"
	rm -rf "$final"
	mv "$tmp" "$final"
}

# prune_tree FOLDER: only what building a module needs is kept, which is what a
# package of headers has.
prune_tree()
{
	(
		cd "$1"
		find . -mindepth 1 -maxdepth 1 ! -name Makefile ! -name .config \
			! -name Module.symvers ! -name Kbuild ! -name arch \
			! -name include ! -name scripts ! -name tools -exec rm -rf {} +
		find arch -mindepth 1 -maxdepth 1 ! -name x86 ! -name Kconfig -exec rm -rf {} +
		find tools -mindepth 1 -maxdepth 1 ! -name objtool -exec rm -rf {} +
		find . \( -name '*.o' -o -name '*.a' -o -name '*.cmd' \) -delete
	)
}

[ -n "${*:-}" ] || mapfile -t wanted < <(kernel_names)
[ -z "${*:-}" ] || wanted=("$@")

to_build=()
for name in "${wanted[@]}"; do
	! is_debug_kernel "$name" || kernel_ready "$name" || to_build+=("$name")
done
[ ${#to_build[@]} -eq 0 ] || PACKAGES+=("${DEBUG_PACKAGES[@]}")

install_packages "${PACKAGES[@]}"
# Of clang's own version, for the fuzzers: since Debian 13 it comes without.
version=$(clang -dumpversion)
install_packages "libclang-rt-${version%%.*}-dev"

mkdir -p "$CACHE/kernels"
# Two runs at once must not fetch the same thing.
exec 9>"$CACHE/.lock"
flock 9

for name in "${wanted[@]}"; do
	! is_debug_kernel "$name" || continue
	! kernel_ready "$name" || { install_compiler "$name"; continue; }
	line=$(sed 's/#.*//' "$TOP/tests/kernels.list" |
		awk -v n="$name" '$1 == n { print $2, $3, $4 }')
	[ -n "$line" ] ||
		die "kernel '$name' is not in tests/kernels.list; it has: $(kernel_names all | tr '\n' ' ')(and there are: $DEBUG_KERNELS)"
	# shellcheck disable=SC2086
	fetch_kernel "$name" $line
	install_compiler "$name"
done
[ -f "$CACHE/checkpatch/checkpatch.pl" ] && [ -d "$CACHE/checkpatch/coccinelle" ] || fetch_checkpatch

# Who wants another kernel does not wait for this one.
flock -u 9
for name in "${to_build[@]}"; do
	exec 9>"$CACHE/.lock.$name"
	flock 9
	kernel_ready "$name" || build_debug_kernel "$name"
	flock -u 9
done
