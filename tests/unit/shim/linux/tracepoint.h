/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_TRACEPOINT_H
#define SHIM_TRACEPOINT_H

/* Nobody looks on here. */
#define TP_PROTO(...)			__VA_ARGS__
#define TRACE_EVENT(name, proto, ...) \
	_Pragma("GCC diagnostic push") \
	_Pragma("GCC diagnostic ignored \"-Wunused-parameter\"") \
	static inline void trace_##name(proto) { } \
	_Pragma("GCC diagnostic pop") \
	struct shim_nothing
#define TRACE_DEFINE_ENUM(name)		struct shim_nothing

#endif
