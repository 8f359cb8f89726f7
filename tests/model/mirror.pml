/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mirrored write, the copier, and the exchange of the legs' roles.
 *
 * One chunk with two regions: region 0 is sectors 0 and 1, region 1 is sector 2,
 * so a write can cover a region in part, one whole, or both.  Two guests write
 * once each; one of them flushes then.  The copier copies and makes it synced,
 * the operator cuts over, fails back and reattaches whenever that is allowed, and
 * any write or flush may fail on either leg, FAILS times in all.  It begins with
 * a new migration, or with one whose source has failed after cutover.
 *
 * A sector holds the number of the write that was there last: 0 what was on the
 * dest before, 1 what was on the source, 2 and up the guests' writes in the
 * order in which they got their ranges.  Each leg has a volatile cache (@cur,
 * what a read sees) and a medium (@med).  What is in the cache may reach the
 * medium at any time; that is decided where it first matters, when the next
 * write comes or the leg fails.  A flush counts from its beginning: what is
 * written while it is under way is not covered.
 *
 * The promises are looked at in every state, see watch() at the end.  FAILS=2 is
 * too much for a test: 23 million states, 2 GB.
 *
 * Left out: deadlocks (the operator never rests), discards (so "complete" is no
 * weaker than "synced" here), verify, zero detection, hanging legs, commit and
 * abort, memory, payloads that change in flight (the bounce makes both legs get
 * the same bytes), an active leg that stays active and yet loses what it
 * acknowledged.  Crashes are crash.pml's, and a standby that loses what it holds
 * before the state tells that it has failed.
 *
 * BROKEN_ macros leave out one rule each; variants.list says which.
 */

#ifndef FAILS
#define FAILS		1
#endif

#define S		0	/* the source */
#define D		1	/* the dest */
#define OTHER(leg)	(1 - (leg))
#define LEG(leg)	(1 << (leg))
#define BOTH		3

#define AT(leg, s)	((leg) * 3 + (s))
#define REGION(s)	((s) / 2)
#define HAS(mask, i)	(((mask) >> (i)) & 1)
/* Masks of regions, from a mask of sectors. */
#define TOUCHED(m)	((((m) & 3) != 0) | (((m) & 4) >> 1))
#define COVERED(m)	((((m) & 3) == 3) | (((m) & 4) >> 1))
/* ... and back. */
#define SECTORS(r)	((HAS(r, 0) * 3) | (HAS(r, 1) * 4))
#define ALL		3

/* The legs. */
byte cur[6], med[6];
byte fails = FAILS;		/* how many more operations may fail */

/* The state: phase.c. */
bit acting = S;		/* the active leg */
bool attached = true;
bool synced, complete;
byte bits;
byte refs;			/* I/O that was sent to both legs */
bool cleared;			/* a bit was, since the last sync_begin */
bool unflushed, flushing, collecting;

/* The ranges: range.c.  0 and 1 are the guests', 2 is the copier's. */
#define COPY		2
byte span[3];			/* sectors; 0: not in the list */
byte waits[3];			/* whom it waits for */
bool yielding;
byte lost;

/* What the guests know.  Nothing below acts on it. */
byte version = 1;		/* the last write that was begun */
byte last[3];			/* acknowledged */
byte durable[3];		/* acknowledged, and a flush after it */
bool incomplete;		/* the source has missed a write or may have */

/* ------------------------------------------------------------------------
 * Legs
 */

/* One sector; what it held may have reached the medium by itself. */
inline put_sector(leg, s, v)
{
	if
	:: med[AT(leg, s)] != cur[AT(leg, s)] -> med[AT(leg, s)] = cur[AT(leg, s)]
	:: skip
	fi;
	cur[AT(leg, s)] = v
}

inline put(leg, mask, v0, v1, v2)
{
	if
	:: HAS(mask, 0) -> put_sector(leg, 0, v0)
	:: else
	fi;
	if
	:: HAS(mask, 1) -> put_sector(leg, 1, v1)
	:: else
	fi;
	if
	:: HAS(mask, 2) -> put_sector(leg, 2, v2)
	:: else
	fi
}

/* A write of one leg.  One that failed may have happened all the same. */
inline leg_write(leg, mask, v0, v1, v2, bad)
{
	if
	:: put(leg, mask, v0, v1, v2)
	:: fails > 0 ->
		fails--;
		bad = bad | LEG(leg);
		if
		:: put(leg, mask, v0, v1, v2)
		:: skip
		fi
	fi
}

inline leg_flush(leg, bad)
{
	if
	:: d_step {
		med[AT(leg, 0)] = cur[AT(leg, 0)];
		med[AT(leg, 1)] = cur[AT(leg, 1)];
		med[AT(leg, 2)] = cur[AT(leg, 2)]
	   }
	:: fails > 0 ->
		fails--;
		bad = bad | LEG(leg)
	fi
}

inline lose_sector(leg, s)
{
	if
	:: cur[AT(leg, s)] != med[AT(leg, s)] -> cur[AT(leg, s)] = med[AT(leg, s)]
	:: skip
	fi
}

/* A failed leg may lose what it has not flushed, all or some. */
inline lose(leg)
{
	lose_sector(leg, 0);
	lose_sector(leg, 1);
	lose_sector(leg, 2)
}

/* ------------------------------------------------------------------------
 * Phase
 */

inline clear(regions)
{
	bits = bits & (ALL ^ (regions));
	cleared = true;
	synced = false
}

inline fail_standby()
{
	attached = false;
	synced = false;
	complete = false;
	lose(OTHER(acting));
	incomplete = incomplete || acting == D
}

/* Some leg has failed a write that touches @regions, or a flush: none. */
inline failed(sent, bad, regions)
{
	if
#ifdef BROKEN_FAILBACK
	:: attached && acting == D && sent == BOTH && bad == LEG(D) ->
#else
	:: attached && acting == D && complete && sent == BOTH && bad == LEG(D) ->
#endif
		acting = S;
		fail_standby()
	:: else ->
		if
		:: attached && HAS(bad, OTHER(acting)) -> fail_standby()
		:: else
		fi
	fi;
	if
	:: (regions) != 0 ->
		complete = false;
#ifndef BROKEN_NO_CLEAR
		clear(regions)
#endif
	:: else
	fi
}

/* ------------------------------------------------------------------------
 * Ranges
 */

#ifdef BROKEN_NO_ORDER
#define OVERLAPS(me, other, mask)	(other == COPY && (span[other] & (mask)) != 0)
#else
#define OVERLAPS(me, other, mask)	(other != me && (span[other] & (mask)) != 0)
#endif

/* Append a range that waits for those before it.  Marks what others lose. */
inline lock(me, mask)
{
	d_step {
		waits[me] = OVERLAPS(me, 0, mask) | (OVERLAPS(me, 1, mask) << 1) |
			    ((!yielding && OVERLAPS(me, COPY, mask)) << 2);
		span[me] = mask;
#ifndef BROKEN_NO_LOST
		if
		:: me != COPY && yielding -> lost = lost | TOUCHED(span[COPY] & (mask))
		:: else
		fi
#endif
	}
}

inline lock_yielding(mask)
{
	d_step {
		span[COPY] = mask;
		yielding = true;
#if !defined(BROKEN_NO_LOST) && !defined(BROKEN_LOST_FIRST)
		lost = TOUCHED(mask & (span[0] | span[1]))
#endif
	}
}

inline unlock(me)
{
	d_step {
		span[me] = 0;
		waits[0] = waits[0] & (7 ^ (1 << me));
		waits[1] = waits[1] & (7 ^ (1 << me));
		waits[COPY] = waits[COPY] & (7 ^ (1 << me))
	}
}

/* ------------------------------------------------------------------------
 * Flushes
 */

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
	fi;
	if
	:: HAS(sent, S) -> leg_flush(S, bad)
	:: else
	fi;
	if
	:: HAS(sent, D) -> leg_flush(D, bad)
	:: else
	fi
}

inline flush_end(sent, bad, collects)
{
	if
	:: collects ->
		unflushed = unflushed || (flushing && (bad != 0 || !attached));
		flushing = false;
		collecting = false
	:: else
	fi;
	if
	:: bad != 0 -> failed(sent, bad, 0)
	:: else
	fi;
	refs = refs - (sent == BOTH)
}

/* ------------------------------------------------------------------------
 * Guests
 */

/* The source has failed it, or was out of use, so it had to be an error. */
#define EXCUSED		(HAS(bad, S) || sent == LEG(D) || incomplete)

inline guest_write(me)
{
	atomic {
		if
		/* Enough for all ways to overlap, in sectors or regions only. */
		:: mask = (me == 0 -> 3 : 1)
		:: mask = (me == 0 -> 6 : 4)
		:: mask = 7
		fi;
		lock(me, mask)
	}

	atomic {
		waits[me] == 0;
		version++;
		v = version;
		bad = 0;
		if
		:: attached ->
			sent = BOTH;
			refs++
		:: else ->
			sent = LEG(acting);
#ifndef BROKEN_LATE_CLEAR
			clear(TOUCHED(mask))
#endif
		fi;
		todo = sent
	}

	do
	:: atomic {
		HAS(todo, S) ->
		leg_write(S, mask, v, v, v, bad);
		todo = todo & LEG(D);
#ifdef BROKEN_EARLY_BIT
		if
		:: sent == BOTH && bad == 0 -> bits = bits | COVERED(mask)
		:: else
		fi
#endif
	   }
	:: atomic {
		HAS(todo, D) ->
		leg_write(D, mask, v, v, v, bad);
		todo = todo & LEG(S)
	   }
	:: todo == 0 -> break
	od;

	/* The mark before the bits, the bits before the look at the legs. */
	if
	:: atomic {
		bad == 0 && sent == BOTH ->
		unflushed = true;
#ifdef BROKEN_PARTIAL
		bits = bits | TOUCHED(mask)
#else
		bits = bits | COVERED(mask)
#endif
	   }
	:: else
	fi;

	atomic {
		error = false;
		if
		:: sent != BOTH ->
			error = bad != 0;
#ifdef BROKEN_LATE_CLEAR
			clear(TOUCHED(mask))
#endif
		:: sent == BOTH && bad == 0 ->
			if
			:: !attached -> clear(TOUCHED(mask))
			:: else
			fi
		:: sent == BOTH && bad != 0 ->
			failed(sent, bad, TOUCHED(mask));
			error = HAS(bad, acting)
		fi;
		refs = refs - (sent == BOTH);

		/* After an error it holds the old or the new. */
		d_step {
			last[0] = (HAS(mask, 0) -> (error -> cur[AT(acting, 0)] : v) : last[0]);
			last[1] = (HAS(mask, 1) -> (error -> cur[AT(acting, 1)] : v) : last[1]);
			last[2] = (HAS(mask, 2) -> (error -> cur[AT(acting, 2)] : v) : last[2])
		}
		assert(!error || EXCUSED);
		unlock(me);
		mask = 0; v = 0; bad = 0; sent = 0; error = false
	}
}

inline guest_flush()
{
	atomic {
		snap[0] = last[0]; snap[1] = last[1]; snap[2] = last[2];
		flush_begin(sent, bad, collects)
	}
	atomic {
		flush_end(sent, bad, collects);
		if
		:: HAS(sent, acting) || bad == 0 ->
			assert(!HAS(bad, acting) || EXCUSED);
			if
			:: !HAS(bad, acting) ->
				d_step {
					durable[0] = (snap[0] > durable[0] -> snap[0] : durable[0]);
					durable[1] = (snap[1] > durable[1] -> snap[1] : durable[1]);
					durable[2] = (snap[2] > durable[2] -> snap[2] : durable[2])
				}
			:: else
			fi
		:: else		/* sent again: as if it came later */
		fi;
		snap[0] = 0; snap[1] = 0; snap[2] = 0;
		bad = 0; sent = 0; collects = false
	}
}

proctype guest0()
{
	byte mask, v, sent, bad, todo;
	byte snap[3];
	bool error, collects;

	guest_write(0);
	guest_flush()
}

proctype guest1()
{
	byte mask, v, sent, bad, todo;
	bool error;

	guest_write(1)
}

/* ------------------------------------------------------------------------
 * The copier
 */

inline finish()
{
	unlock(COPY);
	yielding = false;
	lost = 0;
	refs--;
	job = 0; leave = 0; bad = 0; sent = 0; from = 0;
	buf[0] = 0; buf[1] = 0; buf[2] = 0
}

proctype copier()
{
	byte job;		/* sectors */
	byte leave;		/* regions that are set or lost */
	byte bad, sent;
	byte buf[3];
	bit from;
	bool collects;

end:
	do
	:: atomic {
		attached && bits != ALL ->
		job = SECTORS(ALL ^ bits);
		/* The third sweep waits, and holds. */
		if
		:: lock_yielding(job)
		:: lock(COPY, job)
		fi
	   }
	   atomic {
		waits[COPY] == 0;
		refs++;
		leave = (ALL ^ TOUCHED(job)) | bits | lost;
		from = acting;
		if
		:: !attached || leave == ALL ->
			finish();
			goto end
		:: else
		fi
	   }
	   d_step {
		buf[0] = cur[AT(from, 0)];
		buf[1] = cur[AT(from, 1)];
		buf[2] = cur[AT(from, 2)]
	   }
#ifdef BROKEN_HARDEN
	   leave = leave | lost;
	   yielding = false;
#else
	   d_step {
		leave = leave | lost;
		yielding = false
	   }
#endif
	   atomic {
		if
		:: !attached ->
			finish();
			goto end
		:: else
		fi;
		leg_write(OTHER(from), SECTORS(ALL ^ leave), buf[0], buf[1], buf[2], bad)
	   }
	   if
	   :: atomic {
		bad == 0 ->
		unflushed = true;
#ifdef BROKEN_SET_LOST
		bits = bits | TOUCHED(job)
#else
		bits = bits | (ALL ^ leave)
#endif
	      }
	   :: else
	   fi;
	   atomic {
		if
		:: bad != 0 ->
			sent = bad;
			failed(sent, bad, TOUCHED(job))
		:: bad == 0 && !attached -> clear(ALL ^ leave)
		:: else
		fi;
		finish()
	   }

	:: atomic {
		attached && bits == ALL && !synced ->
		cleared = false;
#ifdef BROKEN_NO_FLUSH
		synced = true;
		complete = true;
		incomplete = false;
		goto end
#endif
		flush_begin(sent, bad, collects)
	   }
	   atomic {
		flush_end(sent, bad, collects);
		if
		:: bad == 0 && attached && bits == ALL && !cleared ->
			synced = true;
			complete = true;
			incomplete = false
		:: else
		fi;
		bad = 0; sent = 0; collects = false
	   }
	od
}

/* ------------------------------------------------------------------------
 * The operator
 */

proctype operator()
{
end:
	do
#ifdef BROKEN_CUTOVER
	:: d_step { attached && acting == S -> acting = D }
#else
	:: d_step { attached && synced && acting == S -> acting = D }
#endif
	:: d_step { attached && synced && acting == D -> acting = S }

	/* reattach */
#ifdef BROKEN_BUSY
	:: atomic { !attached ->
#else
	:: atomic { !attached && refs == 0 ->
#endif
		lose(OTHER(acting));
#ifndef BROKEN_NO_FORGET
		if
		:: unflushed || flushing -> clear(ALL)
		:: else
		fi;
#endif
		unflushed = false
	   }
	   atomic {
		attached = true;
		synced = false;
		complete = false
	   }
	od
}

/* ------------------------------------------------------------------------
 * What must hold in every state
 */

#define FLYING		((waits[0] == 0 -> span[0] : 0) | (waits[1] == 0 -> span[1] : 0))
#define CALM(s)		(!HAS(FLYING, s))
#define SET(s)		(HAS(bits, REGION(s)))

/*
 * What the guest has been told is what it reads; also where the active leg
 * cannot be read, and the other one is asked because the bit is set.
 */
#define READS(s)	(!CALM(s) || \
			 (cur[AT(acting, s)] == last[s] && \
			  (!SET(s) || cur[AT(OTHER(acting), s)] == last[s] || \
			   (!attached && (unflushed || flushing || refs != 0)))))
/* A power cut now takes nothing that was flushed. */
#define KEEPS(leg, s)	(med[AT(leg, s)] >= durable[s])
#define WHOLE(s)	(incomplete || ((!CALM(s) || cur[AT(S, s)] == last[s]) && \
					KEEPS(S, s)))
#define SAME(s)		(!synced || ((!CALM(s) || cur[AT(S, s)] == cur[AT(D, s)]) && \
				     KEEPS(S, s) && KEEPS(D, s)))

/* So that a model that does nothing does not pass. */
#ifdef REACHED_SWITCHED
#define GOAL	(synced && acting == D && version == 3 && durable[0] > 1)
#else
#define GOAL	false
#endif

/* Never true: they name what was broken. */
hidden byte promise_1_the_guest_sees_its_data, promise_1_flushed_is_durable,
	    promise_2_the_source_is_complete, promise_3_synced_legs_are_equal,
	    goal_is_not_reached;

proctype watch()
{
end:
	/* Blocked as long as all is well, so it costs no states. */
	atomic {
	if
	:: !(READS(0) && READS(1) && READS(2)) ->
		assert(promise_1_the_guest_sees_its_data)
	:: !(KEEPS(acting, 0) && KEEPS(acting, 1) && KEEPS(acting, 2)) ->
		assert(promise_1_flushed_is_durable)
	:: !(WHOLE(0) && WHOLE(1) && WHOLE(2)) ->
		assert(promise_2_the_source_is_complete)
	:: !(SAME(0) && SAME(1) && SAME(2)) ->
		assert(promise_3_synced_legs_are_equal)
	:: GOAL -> assert(goal_is_not_reached)
	fi
	}
}

init {
	d_step {
		cur[AT(S, 0)] = 1; cur[AT(S, 1)] = 1; cur[AT(S, 2)] = 1;
		med[AT(S, 0)] = 1; med[AT(S, 1)] = 1; med[AT(S, 2)] = 1;
		last[0] = 1; last[1] = 1; last[2] = 1;
		durable[0] = 1; durable[1] = 1; durable[2] = 1
	}
	if
	:: d_step {
		/* Long after: the source has failed, and missed sector 0. */
		acting = D;
		attached = false;
		incomplete = true;
		bits = 2;
		med[AT(S, 0)] = 0; cur[AT(S, 0)] = 0;
		med[AT(D, 0)] = 1; med[AT(D, 1)] = 1; med[AT(D, 2)] = 1;
		cur[AT(D, 0)] = 1; cur[AT(D, 1)] = 1; cur[AT(D, 2)] = 1
	   }
	:: skip
	fi;
	atomic {
		run watch();
		run guest0();
		run guest1();
		run copier();
		run operator()
	}
}
