// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first object of the module that counts: writes what was counted, as gcov reads it.
 *
 * The kernels that we run on have no CONFIG_GCOV_KERNEL. "echo FOLDER
 * >/sys/module/dm_livemigrate/parameters/coverage" makes a file of each object there.
 */
#include "coverage.h"

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

/* Of gcov-io.h: the lengths are bytes since gcc 12. */
#define COVERAGE_MAGIC		0x67636461
#define COVERAGE_FUNCTION	0x01000000
#define COVERAGE_COUNTER(kind)	(0x01a10000 + ((kind) << 17))

struct gcov_info *coverage_begin[0] COVERAGE_SECTION;

/* Objects refer to it; who merges is gcov-tool. */
void __gcov_merge_add(s64 *counters, unsigned int n);
void __gcov_merge_add(s64 *counters, unsigned int n)
{
}

struct coverage_file {
	struct file *file;
	loff_t at;
	int error;
};

static void coverage_put(struct coverage_file *f, const void *data, size_t len)
{
	ssize_t written;

	if (f->error)
		return;
	written = kernel_write(f->file, data, len, &f->at);
	if (written != len)
		f->error = written < 0 ? written : -ENOSPC;
}

static void coverage_put_u32(struct coverage_file *f, u32 value)
{
	coverage_put(f, &value, sizeof(value));
}

static void coverage_put_function(struct coverage_file *f, const struct gcov_info *info,
				  const struct gcov_fn_info *fn)
{
	const struct gcov_ctr_info *ctr = fn->ctrs;
	unsigned int kind;

	coverage_put_u32(f, COVERAGE_FUNCTION);
	coverage_put_u32(f, 3 * sizeof(u32));
	coverage_put_u32(f, fn->ident);
	coverage_put_u32(f, fn->lineno_checksum);
	coverage_put_u32(f, fn->cfg_checksum);
	for (kind = 0; kind < COVERAGE_COUNTERS; kind++) {
		if (!info->merge[kind])
			continue;
		coverage_put_u32(f, COVERAGE_COUNTER(kind));
		coverage_put_u32(f, ctr->num * sizeof(s64));
		/* The lower half comes first, as in memory. */
		coverage_put(f, ctr->values, ctr->num * sizeof(s64));
		ctr++;
	}
}

static int coverage_write(const char *folder, const struct gcov_info *info)
{
	char *path = kasprintf(GFP_KERNEL, "%s/%s", folder, kbasename(info->filename));
	struct coverage_file f = {};
	unsigned int i;

	if (!path)
		return -ENOMEM;
	f.file = filp_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	kfree(path);
	if (IS_ERR(f.file))
		return PTR_ERR(f.file);
	coverage_put_u32(&f, COVERAGE_MAGIC);
	coverage_put_u32(&f, info->version);
	coverage_put_u32(&f, info->stamp);
	coverage_put_u32(&f, info->checksum);
	for (i = 0; i < info->n_functions; i++)
		/* One that the linker threw away has another's key. */
		if (info->functions[i] && info->functions[i]->key == info)
			coverage_put_function(&f, info, info->functions[i]);
	filp_close(f.file, NULL);
	return f.error;
}

static int coverage_set(const char *folder, const struct kernel_param *param)
{
	char *copy = kstrdup(folder, GFP_KERNEL);
	struct gcov_info **info;
	int r = copy ? 0 : -ENOMEM;

	for (info = coverage_begin; !r && info < coverage_end; info++)
		r = coverage_write(strim(copy), *info);
	kfree(copy);
	return r;
}

static const struct kernel_param_ops coverage_ops = { .set = coverage_set };
module_param_cb(coverage, &coverage_ops, NULL, 0200);
