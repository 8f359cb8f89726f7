# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# What the cases fail-matrix-* share: one device (a leg, or the metadata) meets a
# fault in a phase, under a verifying load. Each of them names its device and has
# a table, a line for each cell:
#
#	PHASE KIND GUEST THEN CRASH END
#
# PHASE  copying, synced, switched, cdest (copying, the dest active, after the
#        source had failed and was reattached), degsource and degdest (degraded,
#        that leg active), aborted, committed
# KIND   of the fault: all, writes (and flushes) or reads fail; part: 2 MiB of the
#        device fail; slow: 30 ms for each request; hang: no answer
# GUEST  none, error (at least one, that is), or waits
# THEN   the state while it lasts: phase/active/source/dest
# CRASH  what a crash now would leave: the leg that is active then; refused, because
#        one leg was dropped; stale, if the metadata fails
# END    the phase when the fault has ended, what failed was reattached, and all is
#        copied. The legs are equal then, or the one that is left is complete. For
#        aborted and committed in another PHASE abort or commit is sent, while the
#        fault lasts
#
# Every third of the cells is run, from a random one on, a seed's (every eighth in a kernel
# that watches itself: it looks at what any cell does), or with CELLS=all each of them; with
# CELLS=synced/hang that one:
#
#	tests/vm/run -e SEED=1 -e CELLS=all fail-matrix-dest

M_S=/dev/vda M_D=/dev/vdb M_M=/dev/vdc M_S2=/dev/vdd M_D2=/dev/vde M_M2=/dev/vdf
m_timeout=$((1000 * (3 + SLOWNESS) / 4))
m_rate=$((SLOWNESS > 1 ? 16 : 512))	# slow enough to stay in the phase for as long as a cell takes

m_poke()	# m_poke MIB: 4 KiB there, where the load does not come
{
	timeout $((10 * SLOWNESS)) /usr/bin/dd if=/dev/urandom of=/dev/mapper/m bs=4k count=1 \
		seek=$(($1 * 256)) oflag=direct conv=notrunc 2>/dev/null
}

m_degrade()	# m_degrade LEG: it fails a write, and works again
{
	leg_fail_all "$1"
	m_poke 12 || die "a write failed, though the other leg is good"
	lm_wait_phase m degraded
	leg_heal "$1"
}

# m_enter PHASE: a migration with nothing in its metadata, led there, and the load.
m_enter()
{
	dd if=/dev/zero of=$M_M bs=1M count=1 oflag=direct conv=notrunc 2>/dev/null
	lm_create m /dev/mapper/src /dev/mapper/dst metadata /dev/mapper/meta \
		standby_timeout $m_timeout copy_rate $m_rate
	[ "$1" = copying ] || {
		lm_msg m copy_rate 0
		lm_wait_phase m synced
	}
	case "$1" in
	copying | synced) ;;
	degsource) m_degrade dst ;;
	aborted) lm_drop m abort ;;
	*) lm_msg m cutover ;;
	esac
	case "$1" in
	degdest) m_degrade src ;;
	cdest)
		m_degrade src
		lm_msg m copy_rate $m_rate
		dd if=/dev/urandom of=/dev/mapper/m bs=1M count=10 oflag=direct conv=notrunc 2>/dev/null
		lm_reattach m
		;;
	committed) lm_drop m commit ;;
	esac
	load_start /dev/mapper/m --mix w=55,r=25,z=5,f=8,u=7 --bs 512:64K --threads 2 \
		--depth 4 --rate 400 --size 24576 --seed "$m_seed" --errors-ok "$2"
}

m_break()	# m_break LEG KIND
{
	case "$2" in
	all) leg_fail_all "$1" ;;
	writes) leg_fail_writes "$1" ;;
	reads) leg_fail_reads "$1" ;;
	# Of the metadata all but the superblocks.
	part) if [ "$1" = meta ]; then leg_break_part meta 16 2032; else leg_break_part "$1" 8192 4096; fi ;;
	slow) leg_slow "$1" 30 ;;
	hang) leg_hang "$1" ;;
	esac
}

m_mend()	# m_mend LEG KIND
{
	if [ "$2" = hang ]; then
		leg_unhang "$1"
	else
		leg_heal "$1"
	fi
}

m_state()
{
	dmsetup status m | awk '{ print $4 "/" $5 "/" $8 "/" $9 }'
}

m_in_state_()	# m_in_state_ REGEX
{
	m_state | grep -qxE "$1"
}

m_saw_error_()
{
	grep -q '^ERROR' /run/stamp.out
}

m_ops()		# the guest's requests that are over
{
	awk '{ print $1 + $5 }' "/sys/block/dm-$(dmsetup info -c --noheadings -o minor m)/stat"
}

# m_guest GUEST: it sees that, and no more.
m_guest()
{
	case "$1" in
	error)
		wait_until 10 m_saw_error_ || die "the guest has seen no error: $(dmsetup status m)"
		return
		;;
	waits)
		gu_ops_=$(m_ops)
		sleep 0.3
		[ "$(m_ops)" = "$gu_ops_" ] || die "the guest goes on without its leg"
		;;
	none)
		gu_ops_=$(m_ops)
		gets_on_() { [ "$(m_ops)" -gt "$gu_ops_" ]; }
		wait_until 10 gets_on_ || die "the guest gets nowhere: $(dmsetup status m)"
		;;
	esac
	load_alive
	! m_saw_error_ || { cat /run/stamp.out; die "the guest has seen an error"; }
}

says_stale_()
{
	dd if=$M_M bs=512 count=1 iflag=direct 2>/dev/null | tail -c +37 | head -c 1 |
		od -An -tu1 | grep -qw 64
}

# m_crash CRASH: the metadata as it is now, with another set of disks.
m_crash()
{
	[ "$1" != stale ] || wait_until 10 says_stale_ || die "the metadata does not say that it is out of date"
	dd if=$M_M of=$M_M2 bs=1M count=1 iflag=direct oflag=direct 2>/dev/null
	case "$1" in
	stale) lm_refused 'out of date' lm_create n $M_S2 $M_D2 metadata $M_M2 >/run/why_not ;;
	refused) lm_refused 'and its (source|dest) dropped' lm_create n $M_S2 $M_D2 metadata $M_M2 >/run/why_not ;;
	*)
		lm_create n $M_S2 $M_D2 metadata $M_M2 paused
		[ "$(lm_field n active)" = "$1" ] || die "after a crash not the $1 is active: $(dmsetup status n)"
		dmsetup remove n
		;;
	esac
}

# m_final END: abort or commit, if that is its end.
m_final()
{
	case "$1/$(lm_field m phase)" in
	aborted/aborted | committed/committed) return ;;
	aborted/*) fi_message_=abort ;;
	committed/*) fi_message_=commit ;;
	*) return ;;
	esac
	timeout $((10 * SLOWNESS)) dmsetup message m 0 $fi_message_ || die "$fi_message_ fails, or hangs"
	lm_is m phase "$1" || die "it is not $1: $(dmsetup status m)"
}

# m_leave END: to the end, and what each leg holds then.
m_leave()
{
	case "$(lm_field m phase)" in
	aborted | committed) ;;
	degraded) lm_reattach m && lm_msg m copy_rate 0 && lm_msg m resume ;;
	*) lm_msg m copy_rate 0 && lm_msg m resume ;;
	esac
	lm_wait_phase m "$1"
	load_stop >/run/stopped || { cat /run/stopped; die "see above"; }
	lm_wait_phase m "$1"
	case "$1" in
	aborted) load_check /dev/vda ;;
	committed) load_check /dev/vdb ;;
	*)
		legs_equal /dev/vda /dev/vdb
		load_check /dev/vda
		load_check /dev/vdb
		lm_counts m
		;;
	esac >/run/checked || { cat /run/checked; die "see above"; }
	dmsetup remove m
}

# m_cell DEVICE PHASE KIND GUEST THEN CRASH END
m_cell()
{
	ce_meta_=ok ce_errors_=0
	[ "$6" != stale ] || ce_meta_=failed
	[ "$4" != error ] || ce_errors_=1000000000
	ce_was_=$(now_ms)
	m_enter "$2" $ce_errors_
	sleep 0.2
	m_break "$1" "$3"
	[ "$1" != meta ] || m_poke 14 || die "the guest sees the metadata's failure"
	# What hangs has failed after its time; what is active is waited for.
	[ "$3" != hang ] || [ "$1" = meta ] || sleep $((m_timeout * 3 / 2000)).5
	wait_until 10 m_in_state_ "$5" || die "it should be $5: $(dmsetup status m)"
	wait_until 10 lm_is m metadata $ce_meta_ || die "the metadata is not $ce_meta_: $(dmsetup status m)"
	m_guest "$4"
	[ "$6" = stale ] || m_crash "$6"
	m_in_state_ "$5" || die "it should stay $5: $(dmsetup status m)"
	m_final "$7"
	m_mend "$1" "$3"
	[ "$6" != stale ] || m_crash stale
	m_leave "$7"
	note "$2 $3: $4, $5, $6, $7 ($(($(now_ms) - ce_was_)) ms)"
}

# m_wanted CELL: by its number and the seed, or its name.
m_wanted()
{
	case "${CELLS:-some}" in
	all) return 0 ;;
	some) [ $(((m_seed + m_number) % (SLOWNESS > 1 ? 8 : 3))) -eq 0 ] ;;
	*) [ "$CELLS" = "$1" ] ;;
	esac
}

# m_run DEVICE: the table is on standard input.
m_run()
{
	m_seed=${SEED:-$(hexdump -n 2 -e '"%u"' /dev/urandom)}
	note "seed $m_seed: tests/vm/run -e SEED=$m_seed${CELLS:+ -e CELLS=$CELLS} $CASE"
	leg_make src $M_S
	leg_make dst $M_D
	leg_make meta $M_M
	leg_broken "$(sectors $M_S)"
	dd if=/dev/urandom of=$M_S bs=1M oflag=direct 2>/dev/null || :
	m_number=0 m_done=0
	while read -r phase kind guest then crash end; do
		case "$phase" in '' | \#*) continue ;; esac
		m_number=$((m_number + 1))
		m_wanted "$phase/$kind" || continue
		m_cell "$1" "$phase" "$kind" "$guest" "$then" "$crash" "$end" </dev/null
		m_done=$((m_done + 1))
	done
	[ $m_done -gt 0 ] || die "no cell is named $CELLS"
	note "$m_done cells"
	for leg in src dst meta broken; do
		dmsetup remove $leg
	done
}
