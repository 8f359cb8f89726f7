// SPDX-License-Identifier: GPL-2.0-or-later
#include "command.h"
#include "status.h"

#include <string.h>

/* A number, and one letter of @units behind it, which multiplies it. */
static bool parse_unit(const char *text, const char *units, const uint64_t *factors,
		       uint64_t otherwise, uint64_t *number)
{
	size_t len = strlen(text);
	uint64_t factor = otherwise;
	char digits[24];
	const char *unit;

	if (!len || len >= sizeof(digits))
		return false;
	strcpy(digits, text);
	unit = strchr(units, text[len - 1]);
	if (unit) {
		factor = factors[unit - units];
		digits[len - 1] = '\0';
	}
	if (!number_parse(digits, number) || *number > UINT64_MAX / factor)
		return false;
	*number *= factor;
	return true;
}

bool parse_rate(const char *text, uint64_t *kib)
{
	static const uint64_t factors[] = { 1, 1, 1024, 1024, 1048576, 1048576 };

	/* More than the target takes. */
	return parse_unit(text, "kKmMgG", factors, 1, kib) && *kib <= UINT32_MAX;
}

bool parse_size(const char *text, uint64_t *bytes)
{
	static const uint64_t factors[] = { 1024, 1024, 1048576, 1048576 };

	return parse_unit(text, "kKmM", factors, 1, bytes);
}

bool parse_time(const char *text, uint64_t *seconds)
{
	static const uint64_t factors[] = { 1, 60, 3600, 86400 };

	/* A century, so that no sum of milliseconds runs over. */
	return parse_unit(text, "smhd", factors, 1, seconds) &&
	       *seconds <= 36525ULL * 86400;
}
