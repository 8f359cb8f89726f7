// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a write to both legs needs: a request, and pages of our own for its payload.
 *
 * Two stores hold them.  The pools have in reserve what one chunk needs, so that the
 * worker, which alone waits, always gets on: what comes back fills them first.  The
 * stash of each processor keeps some that are in use all the time: the kernel may
 * clear every page and every request that it hands out, which costs as much as the
 * rest of a small write, and what is in these is overwritten anyway.
 */
#include "dm-livemigrate.h"

#include <linux/local_lock.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/sched.h>

#define LM_GFP_MAP	(GFP_NOWAIT | __GFP_NOWARN)
/* One would do, were it not for those that a hung leg keeps. */
#define LM_MIN_REQS	16

/* What a processor keeps: for 32 writes of 4 KiB in flight, or one of 128 KiB. */
#define LM_STASH_REQS	32
#define LM_STASH_PAGES	max_t(unsigned int, SZ_128K / PAGE_SIZE, 2)
#define LM_STASH_MAX	32

struct lm_stash {
	local_lock_t lock;
	unsigned int nr_pages, nr_reqs;
	struct page *pages[LM_STASH_MAX];
	struct lm_req *reqs[LM_STASH_REQS];
};

/* ------------------------------------------------------------------------
 * The stash
 */

/* NULL: it has none. */
static struct lm_req *lm_stash_get_req(struct lm_target *t)
{
	struct lm_req *req = NULL;
	struct lm_stash *stash;
	unsigned long flags;

	local_lock_irqsave(&t->stash->lock, flags);
	stash = this_cpu_ptr(t->stash);
	if (likely(stash->nr_reqs))
		req = stash->reqs[--stash->nr_reqs];
	local_unlock_irqrestore(&t->stash->lock, flags);
	return req;
}

/* As many pages for @vecs as there are, @nr at most: how many. */
static unsigned int lm_stash_get_pages(struct lm_target *t, struct bio_vec *vecs,
				       unsigned int nr)
{
	struct lm_stash *stash;
	unsigned long flags;
	unsigned int i;

	local_lock_irqsave(&t->stash->lock, flags);
	stash = this_cpu_ptr(t->stash);
	nr = min(nr, stash->nr_pages);
	for (i = 0; i < nr; i++)
		vecs[i].bv_page = stash->pages[--stash->nr_pages];
	local_unlock_irqrestore(&t->stash->lock, flags);
	return nr;
}

/*
 * Not what the reserve of @pool lacks, nor what nobody will want again.  KASAN sees
 * who uses it too late only if it is really freed.
 */
static bool lm_stash_wants(struct lm_target *t, const mempool_t *pool)
{
	return likely(READ_ONCE(pool->curr_nr) >= pool->min_nr) &&
	       lm_phase_is_attached(t->m) &&
	       (!IS_ENABLED(CONFIG_KASAN) || !(get_random_u32() & 7));
}

/* False: it is full. */
static bool lm_stash_put_req(struct lm_target *t, struct lm_req *req)
{
	struct lm_stash *stash;
	unsigned long flags;
	bool put;

	if (unlikely(!lm_stash_wants(t, &t->reqs)))
		return false;
	local_lock_irqsave(&t->stash->lock, flags);
	stash = this_cpu_ptr(t->stash);
	put = stash->nr_reqs < LM_STASH_REQS;
	if (likely(put))
		stash->reqs[stash->nr_reqs++] = req;
	local_unlock_irqrestore(&t->stash->lock, flags);
	return put;
}

/*
 * How many of @vecs' pages it has taken, the last ones.  A network may have sent one,
 * and still hold it, to send it again: its content must stay.
 */
static unsigned int lm_stash_put_pages(struct lm_target *t, struct bio_vec *vecs,
				       unsigned int nr)
{
	unsigned int room, left = nr;
	struct lm_stash *stash;
	unsigned long flags;

	if (unlikely(!lm_stash_wants(t, &t->pages)))
		return 0;
	local_lock_irqsave(&t->stash->lock, flags);
	stash = this_cpu_ptr(t->stash);
	for (room = LM_STASH_PAGES - stash->nr_pages; left && room; room--) {
		if (unlikely(page_count(vecs[left - 1].bv_page) != 1))
			break;
		stash->pages[stash->nr_pages++] = vecs[--left].bv_page;
	}
	local_unlock_irqrestore(&t->stash->lock, flags);
	return nr - left;
}

static int lm_stash_init(struct lm_target *t)
{
	int cpu;

	t->stash = alloc_percpu(struct lm_stash);
	if (!t->stash)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		local_lock_init(&per_cpu_ptr(t->stash, cpu)->lock);
	return 0;
}

/* Nothing is in flight. */
static void lm_stash_exit(struct lm_target *t)
{
	int cpu;

	if (!t->stash)
		return;
	for_each_possible_cpu(cpu) {
		struct lm_stash *stash = per_cpu_ptr(t->stash, cpu);

		while (stash->nr_pages)
			__free_page(stash->pages[--stash->nr_pages]);
		while (stash->nr_reqs)
			kfree(stash->reqs[--stash->nr_reqs]);
	}
	free_percpu(t->stash);
	t->stash = NULL;
}

/* ------------------------------------------------------------------------
 * Requests
 */

static void lm_req_free_pages(struct lm_target *t, struct lm_req *req)
{
	req->nr_pages -= lm_stash_put_pages(t, req->vecs, req->nr_pages);
	while (unlikely(req->nr_pages))
		mempool_free(req->vecs[--req->nr_pages].bv_page, &t->pages);
	if (req->vecs != req->inline_vecs)
		mempool_free(req->vecs, &t->vecs);
}

/**
 * lm_req_free - give back a request, and its pages
 * @t: the instance.
 * @req: the request; nobody knows it any more.
 *
 * Context: any.
 */
void lm_req_free(struct lm_target *t, struct lm_req *req)
{
	lm_req_free_pages(t, req);
	if (unlikely(!lm_stash_put_req(t, req)))
		mempool_free(req, &t->reqs);
}

/*
 * As mempool_alloc(), but who may sleep does so no longer than a standby takes
 * part: one that hangs gives nothing back, and is given up before long.
 */
static void *lm_pool_get(struct lm_target *t, mempool_t *pool, gfp_t gfp)
{
	bool waits = gfpflags_allow_blocking(gfp);
	void *element;

	/* What comes back is the worker's, whose bios came first. */
	if (!waits && unlikely(READ_ONCE(t->starving)))
		return NULL;
	element = mempool_alloc(pool, LM_GFP_MAP);
	if (element || !waits)
		return element;
	WRITE_ONCE(t->starving, true);
	while (!element && lm_phase_is_attached(t->m)) {
		schedule_timeout_uninterruptible(1);
		element = mempool_alloc(pool, LM_GFP_MAP);
	}
	WRITE_ONCE(t->starving, false);
	return element;
}

/* False if there are too few. */
static bool lm_req_add_pages(struct lm_target *t, struct lm_req *req, unsigned int nr,
			     gfp_t gfp)
{
	req->nr_pages = lm_stash_get_pages(t, req->vecs, nr);
	while (unlikely(req->nr_pages < nr)) {
		struct page *page = lm_pool_get(t, &t->pages, gfp);

		if (!page)
			return false;
		req->vecs[req->nr_pages++].bv_page = page;
	}
	return true;
}

/**
 * lm_req_alloc - a request with pages for so many bytes: all or nothing
 * @io: whose it becomes.
 * @bytes: what a chunk has, at most.
 * @gfp: GFP_NOIO: sleep until there is enough, or no standby; else without waiting.
 *
 * The pools hold what one chunk needs, and only the worker, one at a time, waits for
 * them; all others are in flight, and come back.
 *
 * Context: process, of the submitter or of the worker, the latter may sleep.
 * Return: false if there is not enough.
 */
bool lm_req_alloc(struct lm_io *io, unsigned int bytes, gfp_t gfp)
{
	unsigned int nr = DIV_ROUND_UP(bytes, PAGE_SIZE), i;
	struct lm_target *t = io->t;
	struct lm_req *req;

	req = lm_stash_get_req(t);
	if (unlikely(!req))
		req = lm_pool_get(t, &t->reqs, gfp);
	if (unlikely(!req))
		return false;
	req->t = t;
	req->io = io;
	req->nr_pages = 0;
	req->vecs = req->inline_vecs;
	if (nr > LM_INLINE_VECS) {
		struct bio_vec *vecs = lm_pool_get(t, &t->vecs, gfp);

		if (!vecs)
			goto none;
		req->vecs = vecs;
	}
	if (unlikely(!lm_req_add_pages(t, req, nr, gfp)))
		goto none;
	for (i = 0; i < nr; i++, bytes -= PAGE_SIZE) {
		req->vecs[i].bv_offset = 0;
		req->vecs[i].bv_len = min_t(unsigned int, bytes, PAGE_SIZE);
	}
	io->req = req;
	return true;
none:
	lm_req_free(t, req);
	return false;
}

/**
 * lm_req_init - prepare an instance for requests
 * @t: the instance.
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int lm_req_init(struct lm_target *t)
{
	int r;

	/* All that the worker can need for one bio. */
	r = mempool_init_page_pool(&t->pages, LM_CHUNK_PAGES, 0);
	if (!r)
		r = mempool_init_kmalloc_pool(&t->vecs, 1, LM_CHUNK_PAGES *
					      sizeof(struct bio_vec));
	if (!r)
		r = mempool_init_kmalloc_pool(&t->reqs, LM_MIN_REQS,
					      sizeof(struct lm_req));
	return r ? r : lm_stash_init(t);
}

/**
 * lm_req_exit - the end of lm_req_init()'s
 * @t: the instance; all zeroes will do.  Nothing is in flight.
 *
 * Context: process, may sleep.
 */
void lm_req_exit(struct lm_target *t)
{
	lm_stash_exit(t);
	mempool_exit(&t->reqs);
	mempool_exit(&t->vecs);
	mempool_exit(&t->pages);
}
