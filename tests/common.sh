# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the host's scripts share. Sourced, never run.

# Neither the caller's make, nor its language, is to change what we start.
unset MAKEFLAGS MFLAGS KDIR BUILD CDPATH
export LC_ALL=C

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# dmsetup, mkfs and depmod are not on every user's path.
PATH=$PATH:/usr/sbin:/sbin
CACHE=${DM_LIVEMIGRATE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/dm-livemigrate}

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# codename: of the Debian that runs here.
codename()
(
	. /etc/os-release
	echo "${VERSION_CODENAME:-}"
)

# The names in kernels.list, in its order: those for which modules are built here, which
# "make check" takes, or with "all" the others, too.
kernel_names()
{
	sed 's/#.*//' "$TOP/tests/kernels.list" |
		awk -v all="${1:-}" -v own="$(codename)" \
			'NF && (all || NF < 4 || $4 == own) { print $1 }'
}

# More that are built of source, with what finds mistakes: slow, so only for those
# who name them.
DEBUG_KERNELS="debug kcsan"

# is_debug_kernel NAME
is_debug_kernel()
{
	case " $DEBUG_KERNELS " in
	*" $1 "*) ;;
	*) return 1 ;;
	esac
}

# debug_config NAME: what that kernel is to be configured with.
debug_config()
{
	cat "$TOP/tests/debug/machine.config" "$TOP/tests/debug/$1.config"
}

# kernel_dir NAME: where setup.sh unpacks that kernel.
kernel_dir()
{
	echo "$CACHE/kernels/$1"
}

# kernel_ready NAME: is it there whole, and made for this very folder? (The
# headers hold absolute paths.) And with this very configuration?
kernel_ready()
{
	[ "$(cat "$(kernel_dir "$1")/.ready" 2>/dev/null)" = "$(kernel_dir "$1")" ] || return
	! is_debug_kernel "$1" || debug_config "$1" | cmp -s - "$(kernel_dir "$1")/fragment"
}

# kernel_release NAME: what uname -r says in that kernel.
kernel_release()
{
	cat "$(kernel_dir "$1")/release"
}

# smp_arguments: what a kernel with several processors is told, so that it comes up under
# QEMU each time. It changes its own code while it boots, and in hrtimer_start_range_ns()
# when ticks may cease in idle, by a breakpoint; now and then QEMU 7.2 goes on with what it
# has translated of that, and a processor meets a breakpoint that is gone: an oops, or for
# ever. So there is one processor until the first program has loaded the modules and calls the
# others (maxcpus=1), and after that fewer reasons to change code: ticks that cease, locks
# for one processor alone, a clock that is doubted since a processor was slow to answer.
# That clock is the host's own counter, whose speed it might misjudge. (build/tools/tsckhz.)
smp_arguments()
{
	local khz
	khz=$("$TOP/build/tools/tsckhz")
	echo "nohz=off maxcpus=1 noreplace-smp${khz:+ tsc_early_khz=$khz tsc=reliable}"
}

# put_libraries ROOT PROGRAM: what it wants, below usr, where /lib points in a machine.
put_libraries()
{
	local lib folder
	ldd "$2" | grep -o '/[^ ]*' | while read -r lib; do
		folder=$(readlink -f "$(dirname "$lib")")
		install -D "$lib" "$1$folder/$(basename "$lib")"
	done
}

# kernel_compiler NAME: the one that this kernel was built with, as gcc-12.
kernel_compiler()
{
	sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ ]*-gnu-\)\?\([^ ]*\) .*/\2/p' "$(kernel_dir "$1")/build/.config"
}

# kernel_slowness NAME: how many times longer than on the others all may take.
kernel_slowness()
{
	cat "$(kernel_dir "$1")/slowness" 2>/dev/null || echo 1
}
