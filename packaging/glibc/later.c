/* What static libraries of a newer system ask for and glibc 2.28 does not have, so that what is linked with the
 * stand-ins of `stubs` is complete. Each does what the newer function does, by older means. Hidden: nobody else's
 * calls end up here. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma GCC visibility push(hidden)

struct stat;

/* Functions since 2.33; before, the header's were macros. The kernel's struct is the C library's on 64-bit systems. */
int stat(const char *path, struct stat *result) { return (int)syscall(SYS_newfstatat, AT_FDCWD, path, result, 0); }

int lstat(const char *path, struct stat *result) {
  return (int)syscall(SYS_newfstatat, AT_FDCWD, path, result, AT_SYMLINK_NOFOLLOW);
}

int fstat(int file, struct stat *result) { return (int)syscall(SYS_fstat, file, result); }

/* Since 2.32: whether reference counts may do without atomic instructions. They may not. */
char __libc_single_threaded = 0;

#ifdef DLFO_STRUCT_HAS_EH_DBASE

struct search {
  uintptr_t address;
  struct dl_find_object *result;
};

static int examine(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  struct search *search = context;
  const ElfW(Phdr) *frames = NULL;
  uintptr_t begin = 0, end = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    uintptr_t first = info->dlpi_addr + header->p_vaddr;
    if (header->p_type == PT_GNU_EH_FRAME) frames = header;
    if (header->p_type == PT_LOAD && search->address - first < header->p_memsz) {
      begin = first;
      end = first + header->p_memsz;
    }
  }
  if (end == 0) return 0;
  if (frames == NULL) return -1;
  *search->result = (struct dl_find_object){.dlfo_map_start = (void *)begin,
      .dlfo_map_end = (void *)end,
      .dlfo_eh_frame = (void *)(info->dlpi_addr + frames->p_vaddr)};
  return 1;
}

/* Since 2.35: the loaded object with a code address, and its table for unwinding; libgcc's unwinder asks for it. */
int _dl_find_object(void *address, struct dl_find_object *result) {
  struct search search = {(uintptr_t)address, result};
  return dl_iterate_phdr(examine, &search) == 1 ? 0 : -1;
}

#endif
