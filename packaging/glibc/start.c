/* The start of a program that is to run on glibc before 2.34 too.
 *
 * Until then, the constructors of a program itself were run by a function in its own start code, of which later start
 * code passes none; later versions of glibc still call one where it is given. So this stands between the system's
 * _start and glibc's __libc_start_main, in its oldest version, and gives one. Destructors need nothing: the loader runs
 * them in every version. */
#include <stddef.h>

#if defined(__x86_64__)
#define OLDEST "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define OLDEST "GLIBC_2.17"
#else
#error "which version of glibc was the first on this architecture?"
#endif

typedef int entry(int, char **, char **);
typedef void hook(int, char **, char **);

extern int glibc_start(entry *main, int count, char **arguments, hook *init, void (*fini)(void),
    void (*loader_fini)(void), void *stack_end);
__asm__(".symver glibc_start, __libc_start_main@" OLDEST);

extern hook *const __init_array_start[] __attribute__((visibility("hidden")));
extern hook *const __init_array_end[] __attribute__((visibility("hidden")));
extern void _init(void) __attribute__((visibility("hidden")));

static void construct(int count, char **arguments, char **environment) {
  _init();
  for (hook *const *each = __init_array_start; each != __init_array_end; each++) {
    (*each)(count, arguments, environment);
  }
}

__attribute__((visibility("hidden"))) int __libc_start_main(entry *main, int count, char **arguments, hook *init,
    void (*fini)(void), void (*loader_fini)(void), void *stack_end) {
  return glibc_start(main, count, arguments, init ? init : construct, fini, loader_fini, stack_end);
}
