/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The version of everything: module, command, man pages, packages. The newest
 * entries of CHANGELOG.md and debian/changelog bear it, too.
 */
#define LM_VERSION "1.0"
