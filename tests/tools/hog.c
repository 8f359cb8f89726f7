// SPDX-License-Identifier: GPL-2.0-only
/*
 * hog: touches more memory than there is, over and over, and checks that each
 * page comes back from swap as it went.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define WORDS (PAGE / sizeof(uint64_t))

static const char usage[] = "usage: hog --mib N --seconds N [--rounds N]\n"
	"Writes and checks N MiB of its memory for so long, and so many times (3) at\n"
	"least. Exit 0 if all was right.";

static uint64_t word(size_t page, uint64_t round, size_t i)
{
	uint64_t x = page * 0x9e3779b97f4a7c15ULL + round * 1000003 + i;

	x ^= x >> 29;
	return x * 0xbf58476d1ce4e5b9ULL;
}

static int check(const uint64_t *p, size_t page, uint64_t round)
{
	for (size_t i = 0; i < WORDS; i++) {
		if (p[i] == word(page, round, i))
			continue;
		printf("page %zu, word %zu: expected round %llu, found %#llx\n",
		       page, i, (unsigned long long)round,
		       (unsigned long long)p[i]);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	size_t mib = 0, seconds = 0, pages;
	uint64_t round = 0, rounds = 3;
	uint64_t *mem;
	time_t end;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--mib"))
			mib = strtoul(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "--seconds"))
			seconds = strtoul(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "--rounds"))
			rounds = strtoull(argv[i + 1], NULL, 10);
	}
	if (!mib || !seconds) {
		fprintf(stderr, "%s\n", usage);
		return 2;
	}
	pages = mib * (1024 * 1024 / PAGE);
	mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	end = time(NULL) + seconds;
	do {
		round++;
		for (size_t page = 0; page < pages; page++) {
			uint64_t *p = mem + page * WORDS;

			if (round > 1 && check(p, page, round - 1))
				return 1;
			for (size_t i = 0; i < WORDS; i++)
				p[i] = word(page, round, i);
		}
	} while (time(NULL) < end || round < rounds);
	for (size_t page = 0; page < pages; page++)
		if (check(mem + page * WORDS, page, round))
			return 1;
	printf("%llu rounds over %zu MiB: all right\n",
	       (unsigned long long)round, mib);
	return 0;
}
