# Builds, tests and installs Cloze. `make help` lists what there is. Needs Swift 6.3; what else is missing on Debian is
# installed by the target that needs it.

PREFIX ?= /usr/local
LIBDIR ?= lib
# Where zsh looks for completions; Debian's packages have theirs in share/zsh/vendor-completions.
ZSHDIR ?= share/zsh/site-functions
DESTDIR ?=

VERSION := $(shell sed -n 's/^.define CLOZE_VERSION_[A-Z]* //p' include/cloze.h | paste -sd.)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))

# The installed tree as `make` leaves it behind: bin, include, lib, share.
DIST := .build/dist
LIBRARY := $(DIST)/lib/libcloze.so.$(VERSION)
COMMAND := $(DIST)/bin/cloze
MODEL := $(DIST)/share/cloze/models/cloze-mini
PACKAGING := $(addprefix $(DIST)/lib/,pkgconfig/cloze.pc cmake/cloze/clozeConfig.cmake \
  cmake/cloze/clozeConfigVersion.cmake)
MANUAL := $(DIST)/share/man/man1/cloze.1
COMPLETIONS := $(addprefix .build/completions/,cloze.bash cloze.zsh cloze.fish)

# Folders count too: they change when a file is removed.
SWIFT_SOURCES := Package.swift $(shell find Sources include)
MODEL_SOURCES := $(wildcard models/cloze-mini/*)
PYTHON_SOURCES := $(shell find bindings/python -not -path '*/__pycache__*' -not -path '*.egg-info*' 2>/dev/null)

BUILD_PACKAGES := libonnx-dev libprotobuf-dev g++ binutils
ifndef SYSTEM_LIBRARIES
BUILD_PACKAGES += protobuf-compiler dpkg-dev
endif
TEST_PACKAGES := gcc g++ cmake meson pkg-config python3 python3-venv libsimde-dev valgrind debootstrap lintian

SWIFT ?= swift
IMPORT_CHECK := --explicit-target-dependency-import-check error
# Both products are built with the same compiler flags, so that the second reuses the modules of the first. lld, as gold
# leaves names of hidden Swift types in the table of exported symbols. Without the implicit import, whatever would bring
# in Swift's regular expressions, 1.3 MB of them, does not compile.
SWIFT_BUILD = CLOZE_SMALL=1 $(SWIFT) build -c release $(IMPORT_CHECK) -Xswiftc -static-stdlib -Xswiftc -use-ld=lld \
  -Xswiftc -Xfrontend -Xswiftc -disable-implicit-string-processing-module-import -Xswiftc -DCLOZE_STANDALONE
# Identical functions are folded, 0.16 MB; nothing compares addresses of functions. No run path is needed or wanted.
LINK := --disable-local-rpath -Xlinker --gc-sections -Xlinker --icf=all -Xlinker -z -Xlinker nostart-stop-gc \
  -Xlinker -z -Xlinker defs

# What is built needs nothing but the C library, of this version or a later one: libstdc++, protobuf and onnx's classes
# are inside, hidden. SYSTEM_LIBRARIES=1 links with the system's shared libraries and the system's own glibc instead.
GLIBC := 2.28
STATIC := .build/static
GLIBC_FOLDER := $(STATIC)/glibc-$(GLIBC)
ifndef SYSTEM_LIBRARIES
INSIDE := $(STATIC)/protobuf/.complete $(GLIBC_FOLDER)/.complete
SWIFT_BUILD += -Xcxx -I$(abspath $(STATIC)/protobuf/include) -Xcxx -ffile-prefix-map=$(CURDIR)/= -Xswiftc -L$(abspath $(STATIC)/protobuf/lib) \
  -Xswiftc -L$(abspath $(GLIBC_FOLDER))
LINK += -Xlinker $(abspath $(GLIBC_FOLDER)/libglibc_later.a)
endif

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

.PHONY: all help run test test-address test-thread test-frameworks bench fuzz format format-check install uninstall clean

# The command first: two builds in one folder wait for each other, and its packages compile beside the library's modules.
all: $(COMMAND) $(LIBRARY) $(MODEL)/.complete $(PACKAGING) $(MANUAL) $(COMPLETIONS) $(DIST)/include/cloze.h

help:
	@echo 'make            builds the library and the command into $(DIST)'
	@echo 'make run        shows what Cloze does, from C, Python and the command line'
	@echo 'make test       builds and runs every test'
	@echo 'make test-address, make test-thread'
	@echo '                runs the Swift and C tests under sanitizers'
	@echo 'make test-frameworks'
	@echo '                runs the Python adapters with the real frameworks, which it installs: 2 GB'
	@echo 'make install    installs into PREFIX (now $(PREFIX)), below DESTDIR'
	@echo 'make uninstall  removes what make install installed'
	@echo 'make wheel      builds the Python package into dist/: a wheel and a source distribution'
	@echo 'make dist       builds the wheel and archives of binaries and of sources into dist/'
	@echo 'make deb        builds Debian packages into dist/'
	@echo 'make bench      measures speed on this machine'
	@echo 'make fuzz       feeds random input to everything that reads files or text'
	@echo 'make format     formats the sources; make format-check, a part of make test, compares'
	@echo 'make clean      removes what was built'

# ---- Building ------------------------------------------------------------------------------------------------------

.build/exports.map: include/cloze.h tools/exports
	@mkdir -p $(@D)
	@tools/exports $< >$@

# Swift's clang compiles what goes inside, as it compiles the rest.
CLANG = $(shell dirname "$$(readlink -f "$$(command -v $(SWIFT))")")/clang

$(STATIC)/protobuf/.complete: packaging/protobuf
	@tools/require-packages $(BUILD_PACKAGES)
	CXX=$(CLANG)++ packaging/protobuf $(@D)
	@touch $@

$(GLIBC_FOLDER)/.complete: $(wildcard packaging/glibc/*)
	@tools/require-packages $(BUILD_PACKAGES)
	CC=$(CLANG) packaging/glibc/stubs $(GLIBC) $(abspath $(@D))
	@touch $@

# Not to be unloaded: the Swift runtime registers with the C library what would then be called no more.
$(LIBRARY): $(SWIFT_SOURCES) .build/exports.map | $(INSIDE)
	@tools/require-packages $(BUILD_PACKAGES)
	$(SWIFT_BUILD) --product cloze $(LINK) -Xlinker -z -Xlinker nodelete -Xlinker -soname=libcloze.so.$(SOVERSION) \
	  -Xlinker --version-script=$(abspath .build/exports.map)
	@mkdir -p $(@D)
	strip --strip-unneeded -o $@ .build/release/libcloze.so
	@ln -sf $(@F) $(@D)/libcloze.so.$(SOVERSION)
	@ln -sf libcloze.so.$(SOVERSION) $(@D)/libcloze.so

$(COMMAND): $(SWIFT_SOURCES) | $(INSIDE)
	@tools/require-packages $(BUILD_PACKAGES)
	$(SWIFT_BUILD) --product cloze-command $(LINK)
	@mkdir -p $(@D)
	strip -o $@ .build/release/cloze-command

# The command describes itself.
$(MANUAL): $(COMMAND) tools/man-page
	@mkdir -p $(@D)
	@tools/man-page $(COMMAND) $(VERSION) >$@

.build/completions/cloze.%: $(COMMAND)
	@mkdir -p $(@D)
	@$(COMMAND) --generate-completion-script $* >$@

$(MODEL)/.complete: $(MODEL_SOURCES)
	@mkdir -p $(@D)
	@cp $^ $(@D)
	@touch $@

$(DIST)/include/cloze.h: include/cloze.h
	@mkdir -p $(@D)
	@cp $< $@

# Fills in a template for a library folder. What it makes finds the prefix relative to itself: as many folders above as
# the library folder's name has parts.
substitute = sed 's|@VERSION@|$(VERSION)|g; s|@SOVERSION@|$(SOVERSION)|g; s|@LIBDIR@|$(1)|g; s|@UP@|$(call up,$(1))|g'
up = $(shell echo $(1) | sed 's|[^/][^/]*|..|g')

$(DIST)/lib/pkgconfig/%: packaging/%.in include/cloze.h
	@mkdir -p $(@D)
	@$(call substitute,lib) $< >$@

$(DIST)/lib/cmake/cloze/%: packaging/%.in include/cloze.h
	@mkdir -p $(@D)
	@$(call substitute,lib) $< >$@

# ---- Installing ----------------------------------------------------------------------------------------------------

ROOT = $(DESTDIR)$(PREFIX)

install: all
	install -d $(ROOT)/bin $(ROOT)/include $(ROOT)/$(LIBDIR)/pkgconfig $(ROOT)/$(LIBDIR)/cmake/cloze \
	  $(ROOT)/share/cloze/models/cloze-mini $(ROOT)/share/man/man1 $(ROOT)/share/bash-completion/completions \
	  $(ROOT)/$(ZSHDIR) $(ROOT)/share/fish/vendor_completions.d
	install -m 755 $(COMMAND) $(ROOT)/bin/cloze
	install -m 644 include/cloze.h $(ROOT)/include/cloze.h
	install -m 755 $(LIBRARY) $(ROOT)/$(LIBDIR)/libcloze.so.$(VERSION)
	ln -sf libcloze.so.$(VERSION) $(ROOT)/$(LIBDIR)/libcloze.so.$(SOVERSION)
	ln -sf libcloze.so.$(SOVERSION) $(ROOT)/$(LIBDIR)/libcloze.so
	for file in $(patsubst $(DIST)/lib/%,%,$(PACKAGING)); do \
	  $(call substitute,$(LIBDIR)) packaging/$${file##*/}.in >$(ROOT)/$(LIBDIR)/$$file; done
	install -m 644 $(MODEL_SOURCES) $(ROOT)/share/cloze/models/cloze-mini
	install -m 644 $(MANUAL) $(ROOT)/share/man/man1/cloze.1
	install -m 644 .build/completions/cloze.bash $(ROOT)/share/bash-completion/completions/cloze
	install -m 644 .build/completions/cloze.zsh $(ROOT)/$(ZSHDIR)/_cloze
	install -m 644 .build/completions/cloze.fish $(ROOT)/share/fish/vendor_completions.d/cloze.fish
	@# The system's loader keeps a list of libraries; into a DESTDIR nothing is loaded from.
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig || true; fi

uninstall:
	rm -f $(ROOT)/bin/cloze $(ROOT)/include/cloze.h $(ROOT)/$(LIBDIR)/libcloze.so \
	  $(ROOT)/$(LIBDIR)/libcloze.so.$(SOVERSION) $(ROOT)/$(LIBDIR)/libcloze.so.$(VERSION) \
	  $(ROOT)/$(LIBDIR)/pkgconfig/cloze.pc $(ROOT)/share/man/man1/cloze.1 \
	  $(ROOT)/share/bash-completion/completions/cloze $(ROOT)/$(ZSHDIR)/_cloze \
	  $(ROOT)/share/fish/vendor_completions.d/cloze.fish
	rm -rf $(ROOT)/$(LIBDIR)/cmake/cloze $(ROOT)/share/cloze

# ---- Showing -------------------------------------------------------------------------------------------------------

run: all
	@tools/require-packages gcc python3
	@tools/find-python numpy >/dev/null 2>&1 || tools/require-packages python3-numpy
	@tools/demonstrate

# ---- Testing -------------------------------------------------------------------------------------------------------

.venv/.complete: Tests/requirements.txt
	@tools/require-packages $(TEST_PACKAGES)
	@tools/make-venv .venv Tests/requirements.txt
	@touch $@

# Larger models and texts, which tests use where a machine has them beside the checkout.
ifneq ($(wildcard ../shared),)
export CLOZE_SHARED ?= $(abspath ../shared)
endif

test: all dist deb .venv/.complete format-check
	@tools/require-packages $(BUILD_PACKAGES) $(TEST_PACKAGES)
	@.venv/bin/python Tests/run.py $(SUITES)

# The frameworks are gigabytes, so they have an environment of their own.
.venv-frameworks/.complete: Tests/requirements.txt Tests/requirements-frameworks.txt
	@tools/require-packages $(TEST_PACKAGES) default-jre-headless
	@tools/make-venv .venv-frameworks Tests/requirements.txt Tests/requirements-frameworks.txt
	@touch $@

test-frameworks: dist .venv-frameworks/.complete
	@.venv-frameworks/bin/python Tests/run.py frameworks

test-address:
	@tools/require-packages $(BUILD_PACKAGES)
	tools/sanitize address

test-thread:
	@tools/require-packages $(BUILD_PACKAGES)
	tools/sanitize thread

fuzz:
	@tools/require-packages $(BUILD_PACKAGES)
	tools/fuzz $(SECONDS)

# The project's own benchmark program; not part of what is installed.
BENCHMARK := .build/release/cloze-benchmark

$(BENCHMARK): $(SWIFT_SOURCES) | $(COMMAND)
	$(SWIFT_BUILD) --product cloze-benchmark $(LINK)
	@touch $@

bench: all $(BENCHMARK)
	$(BENCHMARK) products benchmarks/products.tsv
	$(BENCHMARK) operators benchmarks/operators.tsv
	$(BENCHMARK) encoder
	$(BENCHMARK) tokenizer $(MODEL) README.md
	$(COMMAND) bench --precision int8
	$(COMMAND) bench --precision float32

# ---- Packages ------------------------------------------------------------------------------------------------------

include packaging/packages.mk

# ---- Upkeep --------------------------------------------------------------------------------------------------------

format: .venv/.complete
	@SWIFT=$(SWIFT) tools/format

format-check: .venv/.complete
	@SWIFT=$(SWIFT) tools/format --check

clean:
	rm -rf .build .build_address .build_thread .build_fuzz .venv dist
