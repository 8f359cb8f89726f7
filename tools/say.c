// SPDX-License-Identifier: GPL-2.0-or-later
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void speak(FILE *to, const char *before, const char *fmt, va_list args)
{
	fputs(before, to);
	vfprintf(to, fmt, args);
	fputc('\n', to);
	fflush(to);
}

int fail(enum exit_code code, const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, fmt);
	speak(stderr, "livemigrate: ", fmt, args);
	va_end(args);
	return code;
}

void remark(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, fmt);
	speak(stderr, "livemigrate: ", fmt, args);
	va_end(args);
}

void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	speak(stdout, "", fmt, args);
	va_end(args);
}

const char *printable(const char *text, char *buf, size_t len)
{
	size_t n = 0;

	for (; *text && n + 5 < len; text++) {
		unsigned char c = (unsigned char)*text;

		if (c > ' ' && c < 0x7f)
			buf[n++] = (char)c;
		else
			n += (size_t)snprintf(buf + n, len - n, "\\x%02x", c);
	}
	buf[n] = '\0';
	return buf;
}

static void no_memory(void)
{
	exit(fail(FAILED, "There is no memory left."));
}

void *alloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		no_memory();
	return p;
}

char *copy_of(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		no_memory();
	return copy;
}

char *format(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		no_memory();
	va_end(args);
	return text;
}
