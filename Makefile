# SPDX-License-Identifier: GPL-2.0-only
#
# make help says what there is.

# KERNEL names a kernel of tests/kernels.list that "make setup" has put into
# the cache; without it we build for the running kernel.
CACHE := $(or $(DM_LIVEMIGRATE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dm-livemigrate)
ifneq ($(KERNEL),)
KDIR ?= $(CACHE)/kernels/$(KERNEL)/build
BUILD ?= build/$(KERNEL)
ADVICE = $(if $(filter debug kcsan,$(KERNEL)),make setup KERNEL=$(KERNEL) builds it,make setup, as root, fetches those that tests/kernels.list names)
else
RUNNING := $(shell uname -r)
KDIR ?= /lib/modules/$(RUNNING)/build
# A folder for each kernel, so that none meets the objects of another.
BUILD ?= build/$(if $(filter /lib/modules/$(RUNNING)/build,$(KDIR)),$(RUNNING),$(subst /,_,$(KDIR)))
ADVICE = install the package linux-headers-$(RUNNING), or name a kernel with KDIR=folder or, after make setup, KERNEL=6.1
endif

# Some headers ask for pahole without depending on it; type information is
# not worth a failed build. Since 7.x they say that none is not the same one.
NO_BTF := $(if $(shell command -v pahole),,CONFIG_DEBUG_INFO_BTF_MODULES= CONFIG_PAHOLE_VERSION=0)

# A kernel that this machine's compiler is too old for is built for in a folder that holds
# a younger Debian.
ROOM := $(shell cat $(dir $(KDIR))built-in 2>/dev/null)
ENTER := $(if $(ROOM),$(CURDIR)/tests/in-root $(ROOM))
ifneq ($(ROOM),)
NO_BTF := CONFIG_DEBUG_INFO_BTF_MODULES=
endif

SOURCES := $(wildcard *.c *.h) Kbuild
VERSION := $(shell sed -n 's/^\#define LM_VERSION "\(.*\)"$$/\1/p' version.h)
TOOLS := $(patsubst tests/tools/%.c,build/tools/%,$(wildcard tests/tools/*.c))
TOOL_CFLAGS := -O2 -g -Wall -Wextra -Werror

# The operator's command; another folder and other flags for sanitizers.
LM_TARGET ?= build/livemigrate
LM_BUILD ?= build/livemigrate.o
LM_OBJECTS := $(patsubst tools/%.c,$(LM_BUILD)/%.o,$(wildcard tools/*.c))
LM_CFLAGS := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -O2 -g -Wall -Wextra -Werror
LM_LIBS := -ldevmapper -lblkid -ljson-c

# Where "make install" puts things. DESTDIR, put before all of these, is for those
# who make packages.
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
UNITDIR ?= $(PREFIX)/lib/systemd/system
RULESDIR ?= $(PREFIX)/lib/udev/rules.d
INSTALL ?= install

MANUALS := $(wildcard tools/*.[58])
UNITS := $(wildcard tools/*.service)
RULES := $(wildcard tools/*.rules)
manual_path = $(MANDIR)/man$(patsubst .%,%,$(suffix $(1)))/$(notdir $(1))
INSTALLED = $(SBINDIR)/livemigrate $(COMPLETIONDIR)/livemigrate \
	    $(foreach m,$(MANUALS),$(call manual_path,$(m))) \
	    $(addprefix $(UNITDIR)/,$(notdir $(UNITS))) \
	    $(addprefix $(RULESDIR)/,$(notdir $(RULES)))

# The module's sources for dkms, and its place beside the kernel's own modules.
DKMS_NAME := dm-livemigrate/$(VERSION)
DKMS_DIR = $(DESTDIR)/usr/src/dm-livemigrate-$(VERSION)
DKMS_KERNELS ?= $(patsubst /lib/modules/%/build,%,$(wildcard /lib/modules/*/build))
MODULE_DIR := updates
RELEASE = $(shell sed -n 's/^\#define UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
# Only whoever has built the kernel has the key that its build asks for.
NO_SIGN = $(if $(wildcard $(KDIR)/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=)

all: modules

headers:
	@test -f $(KDIR)/Makefile || \
		{ echo "There are no kernel headers in $(KDIR): $(ADVICE)." >&2; exit 1; }

# The sources are linked into the folder that is built in.
modules: headers
	@mkdir -p $(BUILD)
	@find $(BUILD) -maxdepth 1 -xtype l -delete
	@ln -sf $(addprefix $(CURDIR)/,$(SOURCES)) $(BUILD)/
	$(ENTER) $(MAKE) -C $(KDIR) M=$(CURDIR)/$(BUILD) $(NO_BTF) $(KBUILD_FLAGS) modules

tools: $(TOOLS)

build/tools/%: tests/tools/%.c $(wildcard tests/tools/*.h)
	@mkdir -p $(@D)
	$(CC) $(TOOL_CFLAGS) -o $@ $< -Wl,--as-needed -pthread -ldevmapper

livemigrate: $(LM_TARGET)

$(LM_TARGET): $(LM_OBJECTS)
	$(CC) $(LM_CFLAGS) $(LM_FLAGS) -o $@ $^ $(LM_LIBS)

$(LM_BUILD)/%.o: tools/%.c $(wildcard tools/*.h) version.h
	@mkdir -p $(@D)
	$(CC) $(LM_CFLAGS) $(LM_FLAGS) -c -o $@ $<

# The version, and where the command went, are written into what names them.
install: livemigrate
	$(INSTALL) -D -m 755 $(LM_TARGET) $(DESTDIR)$(SBINDIR)/livemigrate
	$(INSTALL) -D -m 644 tools/livemigrate.bash-completion $(DESTDIR)$(COMPLETIONDIR)/livemigrate
	set -e; $(foreach m,$(MANUALS),sed '/^\.TH/s/ dm-livemigrate / "dm-livemigrate $(VERSION)" /' $(m) | \
		$(INSTALL) -D -m 644 /dev/stdin $(DESTDIR)$(call manual_path,$(m));)
	set -e; $(foreach u,$(UNITS),sed 's,/usr/sbin/livemigrate,$(SBINDIR)/livemigrate,g' $(u) | \
		$(INSTALL) -D -m 644 /dev/stdin $(DESTDIR)$(UNITDIR)/$(notdir $(u));)
	set -e; $(foreach r,$(RULES),$(INSTALL) -D -m 644 $(r) $(DESTDIR)$(RULESDIR)/$(notdir $(r));)

uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))

# depmod needs the system's own folder; who makes a package runs it elsewhere.
modules_install: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR)/$(BUILD) $(NO_BTF) $(NO_SIGN) \
		INSTALL_MOD_PATH=$(DESTDIR) INSTALL_MOD_DIR=$(MODULE_DIR) modules_install
	$(if $(DESTDIR),,depmod $(RELEASE))

modules_uninstall: headers
	rm -f $(DESTDIR)/lib/modules/$(RELEASE)/$(MODULE_DIR)/dm_livemigrate.ko*
	$(if $(DESTDIR),,depmod $(RELEASE))

# What dkms has of this version may be of other sources, so that goes first. With 77
# dkms says that a kernel is too old, or lacks what dkms.conf asks for.
dkms_install:
	$(if $(DESTDIR),,$(MAKE) --no-print-directory dkms_uninstall)
	$(INSTALL) -d $(DKMS_DIR)
	$(INSTALL) -m 644 $(SOURCES) $(DKMS_DIR)/
	sed 's/#MODULE_VERSION#/$(VERSION)/' dkms.conf >$(DKMS_DIR)/dkms.conf
	$(if $(DESTDIR),,dkms add $(DKMS_NAME))
	$(if $(DESTDIR),,set -e; for k in $(DKMS_KERNELS); do \
		dkms install $(DKMS_NAME) -k $$k || test $$? = 77; done)

dkms_uninstall:
	$(if $(DESTDIR),,test -z "$$(dkms status $(DKMS_NAME))" || dkms remove $(DKMS_NAME) --all)
	rm -rf $(DKMS_DIR)

deb:
	@tests/packages/build

setup:
	@tests/setup.sh $(KERNEL)

# tests/check takes CASES, KERNEL and CELLS from the environment.
export CASES KERNEL CELLS

check:
	@tests/check

check-long:
	@POWER_ROUNDS=$(or $(POWER_ROUNDS),100) CELLS=$(or $(CELLS),all) tests/check

check-build check-unit check-vm check-power check-packages check-systemd check-libvirt check-kernels check-debug check-kcsan: check-%:
	@tests/check $*

bench:
	@tests/bench/run $(WORKS)

demo:
	@tests/vm/run $(if $(KERNEL),-k $(KERNEL)) --console tests/demo/demo.sh

# The way of the data, for docs/design.rst.
diagram: build/way.svg

build/way.svg: docs/way.dot
	@mkdir -p $(@D)
	dot -Tsvg -o $@ $<

version:
	@echo $(VERSION)

clean:
	rm -rf build
	@test ! -f tests/unit/Makefile || $(MAKE) -C tests/unit clean

help:
	@echo 'make              build the module for the running kernel, or for KDIR=folder'
	@echo '                  or KERNEL=6.1 (a name of tests/kernels.list)'
	@echo 'make livemigrate  build the command livemigrate'
	@echo 'make install      the command, its pages and rules, below PREFIX=/usr/local;'
	@echo '                  make uninstall takes them away; DESTDIR=folder for packages'
	@echo 'make modules_install  the module into the kernel that it was built for'
	@echo 'make dkms_install     or into each kernel, now and later, through dkms;'
	@echo '                  modules_uninstall, dkms_uninstall take it away'
	@echo 'make deb          packages for Debian, into build/deb'
	@echo 'make setup        as root: install what the tests need, fetch the kernels'
	@echo 'make check        all tests'
	@echo 'make check-build  builds without a warning, sparse, checkpatch, shellcheck'
	@echo 'make check-unit   the tests that need no kernel'
	@echo 'make check-vm     the tests in a virtual machine; CASES="a b" selects some,'
	@echo '                  KERNEL=6.12 the kernel; says how much of the module has run'
	@echo 'make check-power  the power goes while it migrates; POWER_ROUNDS=N so often'
	@echo 'make check-long   make check, the power goes 100 times, and every fault in every phase'
	@echo 'make check-kernels  every case on every kernel of tests/kernels.list'
	@echo 'make check-debug  the cases in a kernel with KASAN, lockdep and the like, built once'
	@echo '                  (ten minutes) and slow (hours for all); not part of make check'
	@echo 'make check-kcsan  the same in a kernel that looks for data races'
	@echo 'make check-packages  lintian; the packages in small Debians of two suites; hosts on'
	@echo '                  which README.md is all that is known'
	@echo '                  (downloads 600 MB, once); not part of make check'
	@echo 'make check-systemd  a host with systemd and lvm2 over boots in which the power goes'
	@echo '                  (downloads 100 MB, once); not part of make check'
	@echo 'make check-libvirt  a machine that libvirt runs, whose disk moves'
	@echo '                  (downloads 200 MB, once); not part of make check'
	@echo 'make bench        how fast it is, beside others, in a virtual machine; WORKS="iops"'
	@echo '                  selects some, REPEAT=3 is how often each is measured'
	@echo 'make diagram      build/way.svg, the way of the data'
	@echo 'make demo         a migration, live, in a virtual machine'
	@echo 'make clean        remove what was built'

.PHONY: all headers modules tools livemigrate install uninstall modules_install modules_uninstall \
	dkms_install dkms_uninstall deb setup check check-build check-unit check-vm check-power \
	check-long check-kernels check-debug check-kcsan check-packages check-systemd check-libvirt bench demo diagram version clean help
