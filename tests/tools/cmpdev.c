// SPDX-License-Identifier: GPL-2.0-only
/*
 * cmpdev - compare two block devices or files, byte for byte, past the cache.
 */
#include "common.h"

#define CHUNK		2048u	/* sectors read at a time */
#define MAX_RANGES	10	/* differing ranges that are listed */

static const char usage[] =
	"usage: cmpdev A B [--sectors N] [--skip-a N] [--skip-b N]\n"
	"Compares N sectors (all of A unless told) of A and B, beginning at\n"
	"sector --skip-a of A and --skip-b of B. Exit 0 identical, 1 not, 2 trouble.";

struct verdict {
	uint64_t differing;
	uint64_t first;
	uint64_t run_start, run_len;	/* the differing range being gathered */
	unsigned int ranges;
};

static void read_sectors(const struct dev *dev, void *buf, uint64_t sector,
			 uint64_t nr)
{
	size_t want = nr * SECTOR, got = 0;
	ssize_t n;

	while (got < want) {
		n = pread(dev->fd, (char *)buf + got, want - got,
			  (off_t)(sector * SECTOR + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || n % SECTOR) {
			printf("%s cannot be read at sector %" PRIu64 ": %s\n",
			       dev->path, sector + got / SECTOR,
			       n < 0 ? strerror(errno) : "short read");
			exit(EXIT_WRONG);
		}
		got += (size_t)n;
	}
}

static void end_range(struct verdict *v)
{
	if (!v->run_len)
		return;
	if (v->ranges++ < MAX_RANGES)
		printf("differ: sectors %" PRIu64 " to %" PRIu64 "\n",
		       v->run_start, v->run_start + v->run_len - 1);
	v->run_len = 0;
}

static void show_first(uint64_t sector, const unsigned char *a,
		       const unsigned char *b)
{
	char in_a[160], in_b[160];
	unsigned int i = 0;

	while (a[i] == b[i])
		i++;
	stamp_describe((const void *)a, ((const struct stamp *)a)->run,
		       in_a, sizeof(in_a));
	stamp_describe((const void *)b, ((const struct stamp *)b)->run,
		       in_b, sizeof(in_b));
	printf("first differing sector %" PRIu64 ", byte %u: A %02x, B %02x; A holds %s; B holds %s\n",
	       sector, i, a[i], b[i], in_a, in_b);
}

static void compare_chunk(struct verdict *v, uint64_t sector, uint64_t nr,
			  const unsigned char *a, const unsigned char *b)
{
	uint64_t i;

	if (!memcmp(a, b, nr * SECTOR)) {
		end_range(v);
		return;
	}
	for (i = 0; i < nr; i++, a += SECTOR, b += SECTOR) {
		if (!memcmp(a, b, SECTOR)) {
			end_range(v);
			continue;
		}
		if (!v->differing++) {
			v->first = sector + i;
			show_first(sector + i, a, b);
		}
		if (!v->run_len++)
			v->run_start = sector + i;
	}
}

static void must_hold(const struct dev *dev, uint64_t skip, uint64_t sectors)
{
	if (skip > dev->sectors || sectors > dev->sectors - skip)
		die("%s has %" PRIu64 " sectors: %" PRIu64 " from sector %" PRIu64 " on do not fit.",
		    dev->path, dev->sectors, sectors, skip);
}

int main(int argc, char **argv)
{
	uint64_t sectors = 0, skip_a = 0, skip_b = 0, at, nr;
	struct verdict v = { 0 };
	unsigned char *buf_a, *buf_b;
	struct dev a, b;
	const struct opt_entry options[] = {
		{ .name = "sectors", .number = &sectors },
		{ .name = "skip-a", .number = &skip_a },
		{ .name = "skip-b", .number = &skip_b },
	};

	parse_options(argc, argv, usage, options, ARRAY_LEN(options));
	if (argc - optind != 2)
		die("%s", usage);
	open_dev(&a, argv[optind], O_RDONLY);
	open_dev(&b, argv[optind + 1], O_RDONLY);
	if (!sectors && skip_a < a.sectors)
		sectors = a.sectors - skip_a;
	if (!sectors)
		die("nothing to compare: --skip-a is at or behind the end of %s.", a.path);
	must_hold(&a, skip_a, sectors);
	must_hold(&b, skip_b, sectors);
	buf_a = alloc_buffer(CHUNK * SECTOR);
	buf_b = alloc_buffer(CHUNK * SECTOR);

	for (at = 0; at < sectors; at += nr) {
		nr = min_u64(CHUNK, sectors - at);
		read_sectors(&a, buf_a, skip_a + at, nr);
		read_sectors(&b, buf_b, skip_b + at, nr);
		compare_chunk(&v, at, nr, buf_a, buf_b);
	}
	end_range(&v);
	if (v.differing) {
		printf("%s and %s DIFFER: first at sector %" PRIu64 ", %" PRIu64 " of %" PRIu64 " sectors in %u ranges\n",
		       a.path, b.path, v.first, v.differing, sectors, v.ranges);
		return EXIT_WRONG;
	}
	printf("%s and %s are identical: %" PRIu64 " sectors\n", a.path,
	       b.path, sectors);
	return 0;
}
