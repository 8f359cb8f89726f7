/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is on the metadata device, and what a recovery makes of it.
 *
 * One chunk with two regions of one sector each.  A guest writes to region 0,
 * flushes, and writes again; the copier copies and makes it synced; worker A
 * commits active bits and the superblock, worker B saves the bitmap; the operator
 * cuts over, reattaches and commits.  FAILS writes or flushes of a leg fail.
 * mirror.pml has the finer steps of writes and copies: here a copy is one step,
 * and so is what follows when a write has ended.  But the state does not tell of a
 * failure before both legs have answered, and a save's flush has its references
 * before it comes to the legs.
 *
 * A region holds the number of the write that was there last, as in mirror.pml.
 * The legs and the metadata's three sectors (superblock, active-writes, bitmap)
 * each have a volatile cache and a medium.  What is cached may reach the medium
 * at any time; that is decided where it first matters, at the next write.
 *
 * The power may be cut in every state.  No process does that: watch() looks in
 * every state at all that a recovery could find then, each cached sector having
 * reached its medium or not, and at what it would make of it.  A reset that
 * leaves the caches alone is one of these.  What comes after a recovery is among
 * the states to start from: some that satisfy what watch() asks for.
 *
 * Per chunk: active 0, gate 0: no bit is saved, a write needs nothing.
 * 0, 1: the saved bits are trusted; a write sets active and waits.  1, 1: until
 * the active bit is durable.  1, 0: it is; nothing saved is trusted.
 *
 * It is checked in parts that share little: NO_SWITCH has the bitmap, with the
 * source active; NO_SAVE has the superblock; VERIFY has somebody else who writes
 * to the dest, and verify.  WRITES is how often the guest writes.  Whole it is too
 * much for a test (more than 34 million states, 3 GB), and so are NO_SWITCH with
 * TWO_GUESTS, where a second one writes to region 1 at the same time (22 million,
 * 2 GB), and VERIFY with a guest (14 million, 1.2 GB).
 *
 * Left out: more than one chunk, errors of the metadata device, a clean stop,
 * abort, discards, generations and checksums (a metadata sector is written
 * wholly or not at all), and what mirror.pml leaves out.
 *
 * BROKEN_ macros leave out one rule each; variants.list says which.
 */

#ifndef FAILS
#define FAILS		1
#endif

#ifndef WRITES
#define WRITES		2
#endif

#ifndef SWITCHES
#define SWITCHES	1
#endif

#define S		0	/* the source */
#define D		1	/* the dest */
#define OTHER(leg)	(1 - (leg))
#define LEG(leg)	(1 << (leg))
#define BOTH		3

#define AT(leg, r)	((leg) * 2 + (r))
#define HAS(mask, i)	(((mask) >> (i)) & 1)
#define BIT(r)		(1 << (r))
#define ALL		3

/* The legs: cache and medium. */
byte cur[4], med[4];
byte fails = FAILS;

/* The metadata device: cache and medium of each sector. */
byte sb_cur, sb_med;		/* the superblock */
bit act_cur, act_med;		/* the chunk's active-writes bit */
byte map_cur, map_med;		/* the saved bits */
#define INCOMPLETE	1	/* in the superblock: the source is */
#define COMMITTED	2
#define DEST_ACTIVE	4	/* a broken variant's */

/* The state. */
bit acting = S;			/* the active leg */
bool attached = true;
bool synced, complete, dropping, dropped;
byte live;			/* the bitmap */
byte refs;			/* I/O that was sent to both legs */
bool cleared;			/* a bit was, since the last sync began */
bool unflushed, flushing, collecting;
byte failing;			/* bios that a leg has failed, and the state tells not */

/* What is known of the metadata. */
bool act, gate;			/* the chunk's flags, active and gate */
bool dirty;			/* live has changed since it was chosen */
bool saving;
bool losses;			/* something was lost since the last snapshot */
bool meta_lock;			/* the commit mutex */
byte sb_want;			/* what the superblock shall say */
byte sb_safe;			/* what it is sure to say */
bool sb_busy;

/* What somebody else has written to region 0 of the dest. */
bool foreign;			/* it may count as copied after a crash */
bool found;			/* verify has seen it */

/* The guests' ranges: regions. */
byte span[2];

/* What the guests know.  Nothing below acts on it. */
byte last[2];			/* acknowledged */
byte durable[2];		/* acknowledged, and a flush after it */
bool forgot;			/* the source has lost what it had not flushed */
byte switches = SWITCHES;	/* so that there is an end */

/* ------------------------------------------------------------------------
 * Devices
 */

inline put(leg, r, v)
{
	if
	:: med[AT(leg, r)] != cur[AT(leg, r)] -> med[AT(leg, r)] = cur[AT(leg, r)]
	:: skip
	fi;
	cur[AT(leg, r)] = v
}

inline lose_region(leg, r)
{
	if
	:: cur[AT(leg, r)] != med[AT(leg, r)] ->
		cur[AT(leg, r)] = med[AT(leg, r)];
		forgot = forgot || leg == S
	:: skip
	fi
}

/* A failed leg may lose what it has not flushed, all or some. */
inline lose(leg)
{
	lose_region(leg, 0);
	lose_region(leg, 1)
}

/*
 * A standby loses it as soon as it fails something, long before the state tells,
 * and answers well what comes after.  So what is taken for granted of a device is:
 * one that has lost its cache fails what was in flight before it answers a later
 * flush well.  An active leg, which reads are seen from, loses when it is left.
 */
inline leg_fails(leg, bad)
{
	fails--;
	bad = bad | LEG(leg);
	if
	:: leg != acting -> lose(leg)
	:: else
	fi
}

/* One that failed may have happened all the same. */
inline leg_write(leg, r, v, bad)
{
	if
	:: put(leg, r, v)
	:: fails > 0 ->
		if
		:: put(leg, r, v)
		:: skip
		fi;
		leg_fails(leg, bad)
	fi
}

inline leg_flush(leg, bad)
{
	if
	:: d_step {
		med[AT(leg, 0)] = cur[AT(leg, 0)];
		med[AT(leg, 1)] = cur[AT(leg, 1)]
	   }
	:: fails > 0 -> leg_fails(leg, bad)
	fi
}

inline meta_write(on_medium, in_cache, v)
{
	if
	:: on_medium != in_cache -> on_medium = in_cache
	:: skip
	fi;
	in_cache = v
}

inline meta_flush()
{
	d_step {
		sb_med = sb_cur;
		act_med = act_cur;
		map_med = map_cur
	}
}

/* ------------------------------------------------------------------------
 * Phase
 */

/*
 * A leg's bio that fails counts until the other leg has answered and the state
 * tells.  Until then a flush of both that ends well proves nothing: what the device
 * has lost it has told that bio of, and not the flush.  So the marks stay, no bits
 * are saved, it is not synced, and a guest's flush waits, if it may have to be told
 * that the source lacks something.
 */
#define NONE_FAILING	(failing == 0)
#ifdef BROKEN_FAILING_MARKS
#define MARKS_PROVEN	true
#else
#define MARKS_PROVEN	NONE_FAILING
#endif
#ifdef BROKEN_FAILING_SAVE
#define SAVE_PROVEN	true
#else
#define SAVE_PROVEN	NONE_FAILING
#endif
#ifdef BROKEN_FAILING_SYNC
#define SYNC_PROVEN	true
#else
#define SYNC_PROVEN	NONE_FAILING
#endif
#ifdef BROKEN_FAILING_FLUSH
#define FLUSH_PROVEN	true
#else
#define FLUSH_PROVEN	(NONE_FAILING || acting == S)
#endif
/* Nor may a standby become active that may be the one. */
#ifdef BROKEN_FAILING_SWITCH
#define MAY_SWITCH	true
#else
#define MAY_SWITCH	NONE_FAILING
#endif
/* The dest's failure that is the reason counts, too. */
#ifdef BROKEN_FAILING_FAILBACK
#define MAY_FAIL_BACK	true
#else
#define MAY_FAIL_BACK	(failing == 1)
#endif

inline set_bits(mask)
{
	dirty = dirty || (live | (mask)) != live;
	live = live | (mask)
}

inline clear_bits(mask)
{
	dirty = dirty || (live & (mask)) != 0;
	live = live & (ALL ^ (mask));
	cleared = true;
	synced = false
}

inline switch_to(leg)
{
	acting = leg;
#ifdef BROKEN_RECOVER_DEST
	sb_want = (sb_want & (INCOMPLETE | COMMITTED)) | (leg == D -> DEST_ACTIVE : 0)
#endif
}

inline fail_standby()
{
	attached = false;
	synced = false;
	complete = false;
	sb_want = sb_want | (acting == D -> INCOMPLETE : 0)
}

#ifdef BROKEN_COMMIT_BAR
#define BARRED	false
#else
#define BARRED	dropping
#endif

/* Some leg has failed a write of @mask, or a flush: none. */
inline failed(sent, bad, mask)
{
	if
	:: attached && acting == D && complete && !BARRED && MAY_FAIL_BACK &&
	   sent == BOTH && bad == LEG(D) ->
		switch_to(S);
		lose(D);
		fail_standby()
	:: else ->
		if
		:: attached && HAS(bad, OTHER(acting)) -> fail_standby()
		:: else
		fi
	fi;
	if
	:: (mask) != 0 ->
		complete = false;
		clear_bits(mask)
	:: else
	fi
}

/* The state tells. */
inline settled(sent, bad)
{
	failing = failing - (sent == BOTH -> HAS(bad, S) + HAS(bad, D) : 0)
}

inline flush_begin(sent, bad, collects)
{
	bad = 0;
	if
	:: attached ->
		sent = BOTH;
		refs++
	:: else -> sent = LEG(acting)
	fi;
	collects = sent == BOTH && !collecting;
	if
	:: collects ->
		collecting = true;
		flushing = unflushed;
		unflushed = false
	:: else
	fi
}

/* What it was sent to may have failed, and the state told, by now. */
inline flush_legs(sent, bad)
{
	if
	:: HAS(sent, S) -> leg_flush(S, bad)
	:: else
	fi;
	if
	:: HAS(sent, D) -> leg_flush(D, bad)
	:: else
	fi;
	failing = failing + (sent == BOTH -> HAS(bad, S) + HAS(bad, D) : 0)
}

inline flush_end(sent, bad, collects)
{
	if
	:: collects ->
		unflushed = unflushed || (flushing && (bad != 0 || !attached || !MARKS_PROVEN));
		flushing = false;
		collecting = false
	:: else
	fi;
	if
	:: bad != 0 -> failed(sent, bad, 0)
	:: else
	fi;
	settled(sent, bad);
	refs = refs - (sent == BOTH)
}

/* ------------------------------------------------------------------------
 * Guests
 */

/* Where the source lacks something, the superblock says so for sure. */
#define TOLD	(!HAS(sb_want, 0) || HAS(sb_safe, 0) || dropped)

inline guest_write(me, value)
{
#ifdef BROKEN_GATE_FIRST
	atomic {
		if
		:: gate && !dropped ->
			act = true;
			!gate
		:: else
		fi
	}
#endif
	span[me] = BIT(me);
#ifndef BROKEN_GATE_FIRST
	atomic {
		if
		:: gate && !dropped ->
			act = true;
#ifndef BROKEN_ACTIVE_LATE
			!gate || dropped
#endif
		:: else
		fi
	}
#endif
	atomic {
		if
		:: attached ->
			sent = BOTH;
			refs++
		:: else ->
			sent = LEG(acting);
			clear_bits(BIT(me))
		fi;
		todo = sent
	}
	do
	:: atomic {
		HAS(todo, S) ->
		leg_write(S, me, value, bad);
		failing = failing + (sent == BOTH && HAS(bad, S));
		todo = todo & LEG(D)
	   }
	:: atomic {
		HAS(todo, D) ->
		leg_write(D, me, value, bad);
		failing = failing + (sent == BOTH && HAS(bad, D));
		todo = todo & LEG(S)
	   }
	:: todo == 0 -> break
	od;
	atomic {
		if
		:: sent != BOTH -> error = bad != 0
		:: sent == BOTH && bad == 0 ->
			unflushed = true;
			set_bits(BIT(me));
			if
			:: !attached -> clear_bits(BIT(me))
			:: else
			fi
		:: sent == BOTH && bad != 0 ->
			failed(sent, bad, BIT(me));
			error = HAS(bad, acting)
		fi;
		settled(sent, bad)
	}
	atomic {
#ifndef BROKEN_INC_LATE
		/* If both have it, it may wait for the flush to be told. */
		error || (HAS(sent, S) && !HAS(bad, S)) || TOLD;
#endif
		refs = refs - (sent == BOTH);
		last[me] = (error -> cur[AT(acting, me)] : value);
		/* What no leg has taken well may be the old or the new. */
		forgot = forgot || (error && bad == sent);
		span[me] = 0;
		bad = 0; sent = 0; error = false
	}
}

inline guest_flush()
{
	atomic {
		snap[0] = last[0]; snap[1] = last[1];
		flush_begin(sent, bad, collects);
		flush_legs(sent, bad)
	}
	atomic {
		flush_end(sent, bad, collects);
		error = HAS(bad, acting) || (bad != 0 && !HAS(sent, acting))
	}
	atomic {
#ifdef BROKEN_INC_FLUSH
		error || (HAS(sent, S) && !HAS(bad, S)) || TOLD;
#else
		/* Also if the source is good again: it may lack what came before. */
		error || (TOLD && FLUSH_PROVEN);
#endif
		d_step {
			durable[0] = (!error && snap[0] > durable[0] -> snap[0] : durable[0]);
			durable[1] = (!error && snap[1] > durable[1] -> snap[1] : durable[1]);
			snap[0] = 0; snap[1] = 0;
			bad = 0; sent = 0; collects = false; error = false
		}
	}
}

proctype guest0()
{
	byte sent, bad, todo;
	byte snap[2];
	bool error, collects;

	guest_write(0, 2);
#if WRITES > 1
	guest_flush();
#ifndef TWO_GUESTS
	guest_write(0, 3)
#endif
#endif
}

proctype guest1()
{
	byte sent, bad, todo;
	bool error;

	guest_write(1, 2)
}

/* ------------------------------------------------------------------------
 * The copier
 */

inline copy(r)
{
	bad = 0;
	leg_write(OTHER(acting), r, cur[AT(acting, r)], bad);
	if
	:: bad == 0 ->
		unflushed = true;
		set_bits(BIT(r))
	:: else ->
		sent = bad;
		failed(sent, bad, BIT(r))
	fi;
	bad = 0; sent = 0
}

#define COPY_MAY(r)	(attached && !HAS(live, r) && !HAS(span[0] | span[1], r))

/* While a record is under way, sb_safe lacks what may be on disk. */
#ifdef BROKEN_INC_RECORDING
#define NOT_RECORDING	true
#else
#define NOT_RECORDING	!sb_busy
#endif

proctype copier()
{
	byte bad, sent;
	bool collects;

end:
	do
	:: atomic { COPY_MAY(0) -> copy(0) }
	:: atomic { COPY_MAY(1) -> copy(1) }

	:: atomic {
		attached && live == ALL && !synced ->
		cleared = false;
#ifdef BROKEN_INC_CLEAR
		sb_want = sb_want & (COMMITTED | DEST_ACTIVE);
#endif
		flush_begin(sent, bad, collects);
		flush_legs(sent, bad)
	   }
	   atomic {
		flush_end(sent, bad, collects);
		if
		:: bad == 0 && attached && SYNC_PROVEN && live == ALL && !cleared ->
			sb_want = sb_want & (COMMITTED | DEST_ACTIVE)
		:: else -> cleared = true
		fi;
		bad = 0; sent = 0; collects = false
	   }
#ifndef BROKEN_INC_SHOWN
	   cleared || HAS(sb_want, 0) || (NOT_RECORDING && !HAS(sb_safe, 0));
#endif
	   d_step {
		/* The source may have failed meanwhile, and come back: that is on disk. */
		if
#ifdef BROKEN_INC_AGAIN
		:: attached && live == ALL && !cleared ->
#else
		:: attached && live == ALL && !cleared && !HAS(sb_want, 0) ->
#endif
			synced = true;
			complete = true;
			sb_want = sb_want & (COMMITTED | DEST_ACTIVE)
		:: else
		fi
	   }
	od
}

/* ------------------------------------------------------------------------
 * Worker A: active bits and the superblock
 */

proctype set_commit()
{
	byte value;

end:
	do
	:: atomic {
		act && gate && !meta_lock ->
		meta_lock = true;
		meta_write(act_med, act_cur, 1)
	   }
	   meta_flush();
	   d_step {
		gate = false;
		meta_lock = false
	   }

	:: atomic {
		/* Saves make one that changes nothing, too; here where it matters. */
		(sb_want != sb_cur || (HAS(sb_want, 0) && attached && live == ALL)) &&
		!meta_lock ->
		meta_lock = true;
		sb_busy = true;
		value = sb_want;
#ifndef BROKEN_INC_RACE
		/* Whoever relies on what may be taken back waits anew. */
		sb_safe = sb_safe & COMMITTED;
#endif
		meta_write(sb_med, sb_cur, value)
	   }
	   meta_flush();
	   d_step {
		sb_safe = value;
		value = 0;
		sb_busy = false;
		meta_lock = false
	   }
	od
}

/* ------------------------------------------------------------------------
 * Worker B: saves bits
 */

#ifdef BROKEN_CLAIM
#define NOBODY	true
#else
#define NOBODY	(span[0] == 0 && span[1] == 0)
#endif

#ifdef BROKEN_CLEAR_BUSY
#define MAY_IDLE	true
#else
#define MAY_IDLE	(span[0] == 0 && span[1] == 0)
#endif
#ifdef BROKEN_CLEAR_UNFLUSHED
#define MAY_FLUSHED	true
#else
#define MAY_FLUSHED	(!unflushed && !flushing)
#endif
#ifdef BROKEN_CLEAR_DIRTY
#define MAY_SAVED	true
#else
#define MAY_SAVED	(!dirty)
#endif

inline clear_active()
{
	if
	:: act && !gate && MAY_IDLE && MAY_FLUSHED && MAY_SAVED ->
		act = false;
		gate = map_cur != 0;
		meta_write(act_med, act_cur, 0)
	:: else
	fi
}

/*
 * A standby that has failed may lack what the snapshot speaks for.  If it has come
 * back, the live bits may speak for a newer copy; so that is counted.
 */
#if defined(BROKEN_SAVE_REATTACH)
#define HOLDS	(attached && SAVE_PROVEN)
#elif defined(BROKEN_SAVE_FAILED)
#define HOLDS	(!losses && SAVE_PROVEN)
#else
#define HOLDS	(attached && !losses && SAVE_PROVEN)
#endif

inline save_over()
{
	chosen = false;
	flushed = true;
	snap = 0;
	saving = false;
	losses = false
}

proctype save()
{
	byte snap, sent, bad;
	bool chosen, collects;
	bool flushed = true;

end:
	do
	:: d_step {
		attached && (dirty || (act && !gate)) ->
		saving = true;
		chosen = dirty;
		dirty = false;
		if
		:: chosen && !act && !gate && NOBODY -> gate = true
		:: chosen && !act && !gate && !NOBODY ->
			act = true;
			gate = true;
			dirty = true;
			chosen = false
#ifndef BROKEN_SAVE_PENDING
		/* A write that needed nothing may still be in flight. */
		:: chosen && act && gate ->
			dirty = true;
			chosen = false
#endif
		:: else
		fi;
		snap = live
	   }
#ifndef BROKEN_SAVE_FLUSH
	   atomic { flush_begin(sent, bad, collects) }
	   atomic { flush_legs(sent, bad) }
	   atomic {
		flush_end(sent, bad, collects);
		flushed = bad == 0 && sent == BOTH;
		sent = 0; bad = 0; collects = false
	   }
#endif
	   atomic {
		!meta_lock ->
		/* First the bits of now, and then whether they hold. */
#ifdef BROKEN_SAVE_LIVE
		snap = (act || gate -> live : 0);
#else
		snap = (act || gate -> snap & live : 0);
#endif
		if
		:: !flushed || !HOLDS ->
			dirty = dirty || chosen;
			save_over();
			goto end
		:: else
		fi;
		meta_lock = true;
#ifdef BROKEN_CLEAR_EARLY
		clear_active()
	   }
	   meta_flush();
	   atomic {
#endif
		if
		:: chosen -> meta_write(map_med, map_cur, snap)
		:: else
		fi
	   }
	   if
	   :: chosen -> meta_flush()
	   :: !chosen
	   fi;
	   atomic {
#ifndef BROKEN_CLEAR_EARLY
		clear_active();
#endif
		save_over();
		meta_lock = false
	   }
	od
}

/*
 * Somebody else writes to the dest, and verify finds that.  Before, nobody can help
 * it.  After, no recovery may take the legs to be equal there.  The next save may be
 * far away, if the standby fails; so the active bit is made durable at once.
 */
proctype verify()
{
end_foreign:
	d_step {
		attached && HAS(live, 0) && span[0] == 0 ->
		cur[AT(D, 0)] = 0;
		med[AT(D, 0)] = 0;
		foreign = true
	}
end_verify:
	d_step {
		attached && HAS(live, 0) && span[0] == 0 &&
		cur[AT(D, 0)] != cur[AT(S, 0)] ->
		clear_bits(BIT(0));
		losses = losses || saving;
#ifndef BROKEN_MISMATCH
		act = act || gate;
#endif
		found = true
	}
	d_step {
#ifndef BROKEN_MISMATCH
		!act || !gate ->
#endif
		foreign = false
	}
}

/* Without worker B somebody else may find that the source has failed. */
proctype flush_once()
{
	byte sent, bad;
	bool collects;

	atomic { flush_begin(sent, bad, collects) }
	atomic { flush_legs(sent, bad) }
	atomic { flush_end(sent, bad, collects) }
}

/* ------------------------------------------------------------------------
 * The operator
 */

inline drop_source()
{
	refs == 0;
	attached = false;
	synced = false;
	complete = false;
	dropped = true
}

proctype operator()
{
	byte bad;

end:
	do
#ifndef NO_SWITCH
	:: d_step {
		attached && synced && MAY_SWITCH && acting == S && switches > 0 ->
		switches--;
		switch_to(D)
	   }
	:: d_step {
		attached && synced && MAY_SWITCH && acting == D && !dropping && switches > 0 ->
		switches--;
		switch_to(S)
	   }
#endif

	/* reattach */
	:: atomic {
		!attached && !dropping && refs == 0 ->
		lose(OTHER(acting));
		if
		:: unflushed || flushing -> clear_bits(ALL)
		:: else
		fi;
		unflushed = false;
		attached = true;
		losses = losses || saving;
		complete = false
	   }

#ifndef NO_SWITCH
	/* commit */
	:: d_step {
		acting == D && !dropping ->
		dropping = true
	   }
	   atomic {
		leg_flush(D, bad);
		if
		:: bad != 0 || acting == S ->
			bad = 0;
			dropping = false;
			goto end
		:: else
		fi
	   }
#ifdef BROKEN_COMMIT_DROP
	   atomic { drop_source() }
#endif
	   sb_want = sb_want | COMMITTED;
	   HAS(sb_safe, 1) -> skip;
#ifdef BROKEN_COMMIT_BAR
	   if
	   :: acting == S -> goto end
	   :: else
	   fi;
#endif
#ifndef BROKEN_COMMIT_DROP
	   atomic { drop_source() }
#endif
#endif
	od
}

/* ------------------------------------------------------------------------
 * What must hold in every state
 */

/* The leg that a recovery runs on. */
#ifdef BROKEN_RECOVER_DEST
#define RECOVERED(sb)	((sb) != 0 -> D : S)
#else
#define RECOVERED(sb)	(((sb) & (INCOMPLETE | COMMITTED)) != 0 -> D : S)
#endif

/* Neither in its cache nor on its medium is anything older than was flushed. */
#define KEEPS_AT(leg, r) (med[AT(leg, r)] >= durable[r] && cur[AT(leg, r)] >= durable[r])
#define KEEPS(leg)	(KEEPS_AT(leg, 0) && KEEPS_AT(leg, 1))

/* A recovery may take the legs to be equal here. */
#ifdef BROKEN_RECOVER_ACTIVE
#define TRUSTED(r)	(HAS(map_cur | map_med, r))
#else
#define TRUSTED(r)	(!(act_cur && act_med) && HAS(map_cur | map_med, r))
#endif
#define EQUAL(r)	(cur[AT(S, r)] == med[AT(S, r)] && \
			 cur[AT(D, r)] == med[AT(D, r)] && \
			 cur[AT(S, r)] == cur[AT(D, r)])
#define TRUE_BIT(r)	(HAS(sb_cur & sb_med, 1) || (foreign && r == 0) || \
			 !TRUSTED(r) || EQUAL(r))

#define READS(r)	(HAS(span[0] | span[1], r) || cur[AT(acting, r)] == last[r])
/* After a reset that leaves the caches alone it is that, or newer. */
#define RESET(r)	(HAS(span[0] | span[1], r) || forgot || \
			 cur[AT(RECOVERED(sb_cur), r)] >= last[r])

/* Nothing has changed since the last save. */
#define SAVED		(!act && !dirty && !saving)
#define KEPT		(act_cur == 0 && map_cur == live && map_med == live)

#ifdef NO_SAVE
#define AT_REST		(dropped || !attached || (live == ALL && synced))
#else
#define AT_REST		(dropped || !attached || (live == ALL && synced && SAVED && KEPT))
#endif

/* So that a model that does nothing does not pass. */
#if defined(REACHED_SAVED)
#define GOAL	(last[0] == 3 && live == ALL && SAVED && KEPT && act_med == 0)
#elif defined(REACHED_FOUND)
#define GOAL	(found && !foreign && live == ALL && SAVED && KEPT && act_med == 0)
#elif defined(REACHED_COMMITTED)
#define GOAL	(dropped && durable[0] == 2)
#elif defined(REACHED_WHOLE)
#define GOAL	(synced && acting == D && sb_want == 0 && forgot)
#else
#define GOAL	false
#endif

/* Never true: they name what was broken. */
hidden byte promise_1_the_guest_sees_its_data, promise_2_recovery_has_what_was_flushed,
	    promise_2_reset_takes_nothing,
	    promise_6_saved_bits_are_true, promise_6_copied_regions_are_kept,
	    promise_6_all_is_saved_in_the_end, goal_is_not_reached;

proctype watch()
{
end:
	/* Blocked as long as all is well, so it costs no states. */
	atomic {
	if
	:: !(READS(0) && READS(1)) ->
		assert(promise_1_the_guest_sees_its_data)
	:: !KEEPS(RECOVERED(sb_cur)) || !KEEPS(RECOVERED(sb_med)) ->
		assert(promise_2_recovery_has_what_was_flushed)
	:: !(RESET(0) && RESET(1)) ->
		assert(promise_2_reset_takes_nothing)
	:: !(TRUE_BIT(0) && TRUE_BIT(1)) ->
		assert(promise_6_saved_bits_are_true)
	:: attached && SAVED && !KEPT ->
		assert(promise_6_copied_regions_are_kept)
	:: GOAL -> assert(goal_is_not_reached)
	/* In the end all is copied, and all of that is saved. */
	:: timeout && !AT_REST ->
		assert(promise_6_all_is_saved_in_the_end)
	fi
	}
}

/* ------------------------------------------------------------------------
 * Beginnings
 */

inline both_regions(leg, v)
{
	cur[AT(leg, 0)] = v; med[AT(leg, 0)] = v;
	cur[AT(leg, 1)] = v; med[AT(leg, 1)] = v
}

/* What the first resume makes of what it reads. */
inline recover()
{
	d_step {
#ifndef BROKEN_RECOVER_FLUSH
		/* It may have read what is only cached. */
		meta_flush();
#endif
		sb_want = sb_cur;
		sb_safe = sb_cur;
		acting = RECOVERED(sb_cur);
		act = act_cur;
		live = (act_cur -> 0 : map_cur);
		gate = !act_cur && map_cur != 0;
#ifndef BROKEN_RECOVER_CLEAN
		/* The bits on disk are not those of now. */
		dirty = act_cur
#endif
	}
}

init {
	atomic {
		last[0] = 1; last[1] = 1;
		durable[0] = 1; durable[1] = 1;
		both_regions(S, 1);
		if
#ifndef NO_SAVE
		:: map_cur = 1;		/* region 0 was copied, region 1 in part */
			if
			:: cur[AT(D, 0)] = 1; med[AT(D, 0)] = 1;
				if
				:: act_cur = 1
				:: act_cur = 1; act_med = 1
				:: act_med = 1
				:: skip
				fi;
				if
				:: map_med = 1
				:: skip
				fi
			:: act_cur = 1; act_med = 1; map_med = 1
			fi
#endif
#ifndef NO_SWITCH
		:: both_regions(D, 1);	/* the source has failed */
			sb_cur = INCOMPLETE;
			act_cur = 1; act_med = 1;
			map_cur = 1; map_med = 1;
			if
			:: skip
			:: sb_med = INCOMPLETE;
				cur[AT(S, 0)] = 0; med[AT(S, 0)] = 0
			fi
#endif
		:: skip			/* new */
		fi;
		recover();
		run watch();
#if WRITES > 0
		run guest0();
#endif
#ifdef TWO_GUESTS
		run guest1();
#endif
		run copier();
		run set_commit();
#ifndef NO_SAVE
		run save();
#elif !defined(TWO_GUESTS)
		run flush_once();
#endif
#ifdef VERIFY
		run verify();
#endif
		run operator()
	}
}
