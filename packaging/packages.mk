# What users install, made from the tree that `make` builds: dist/ gets the wheel and the source distribution of the
# Python package, archives of binaries and of sources, and Debian packages. Included by the Makefile.

MACHINE := $(shell uname -m)
ARCHIVE := dist/cloze-$(VERSION)-linux-$(MACHINE).tar.xz
SOURCE_ARCHIVE := dist/cloze-$(VERSION)-source.tar.xz

.PHONY: wheel dist deb

wheel: dist/.wheel-complete

dist/.wheel-complete: $(LIBRARY) $(MODEL)/.complete $(PYTHON_SOURCES) packaging/licences
	@tools/require-packages python3 python3-venv binutils advancecomp
	@mkdir -p $(@D)
	"$$(tools/find-python ensurepip venv)" bindings/python/build_wheel.py --library $(LIBRARY) --output $(@D)
	@touch $@

dist: dist/.wheel-complete $(ARCHIVE) $(SOURCE_ARCHIVE)

# bin, include, lib and share below one folder, which can be moved; and the licences of what is inside.
$(ARCHIVE): $(LIBRARY) $(COMMAND) $(MANUAL) $(COMPLETIONS) $(MODEL)/.complete packaging/licences packaging/packages.mk
	@tools/require-packages xz-utils
	@mkdir -p $(@D)
	rm -rf .build/archive
	$(MAKE) --silent install DESTDIR=.build/archive PREFIX=/cloze-$(VERSION) LIBDIR=lib
	packaging/licences .build/archive/cloze-$(VERSION)/share/doc/cloze
	XZ_OPT=-T0 tar -C .build/archive --owner=0 --group=0 --sort=name -cJf $@ cloze-$(VERSION)

# What git has, else, in an unpacked archive, all but what was built.
SOURCE_FILES = $(wildcard $(shell git ls-files 2>/dev/null || find . -type f -not -path './.*' -not -path './dist/*'))

$(SOURCE_ARCHIVE): $(SOURCE_FILES)
	@tools/require-packages xz-utils
	@mkdir -p $(@D)
	$(file >.build/source-files,$(SOURCE_FILES))tr ' ' '\n' <.build/source-files | \
	  XZ_OPT=-T0 tar --files-from=- --owner=0 --group=0 --transform 's|^\(\./\)\{0,1\}|cloze-$(VERSION)/|' -cJf $@

deb: dist/.debian-complete

dist/.debian-complete: dist/.wheel-complete $(LIBRARY) $(COMMAND) $(MANUAL) $(COMPLETIONS) $(MODEL)/.complete $(PYTHON_SOURCES) $(wildcard packaging/debian/*) packaging/licences
	@tools/require-packages dpkg-dev debhelper dh-python python3
	@mkdir -p $(@D)
	packaging/debian/build $(VERSION) dist
	@touch $@
