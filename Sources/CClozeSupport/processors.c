#define _GNU_SOURCE
#include "cloze_support.h"

#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The CPU quota of a cgroup folder, in CPUs, rounded up; 0 where it sets none. */
static int quota_of(const char *folder) {
  char path[4352], line[64];
  long long quota = 0, period = 0;
  snprintf(path, sizeof path, "%s/cpu.max", folder);
  FILE *file = fopen(path, "re");
  if (file) { /* version 2: "max 100000" or "150000 100000" */
    if (fgets(line, sizeof line, file)) sscanf(line, "%lld %lld", &quota, &period);
    fclose(file);
  } else { /* version 1 */
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (!(file = fopen(path, "re"))) return 0;
    if (fgets(line, sizeof line, file)) quota = atoll(line);
    fclose(file);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (!(file = fopen(path, "re"))) return 0;
    if (fgets(line, sizeof line, file)) period = atoll(line);
    fclose(file);
  }
  if (quota <= 0 || period <= 0) return 0;
  long long cpus = (quota + period - 1) / period;
  return cpus > 1 << 20 ? 0 : (int)cpus;
}

/* The smallest quota from the cgroup `group` up to the root of the hierarchy at `mount`; 0 where none is set. */
static int smallest_quota(const char *mount, const char *group) {
  char folder[4096];
  int smallest = 0;
  size_t root = strlen(mount);
  int length = snprintf(folder, sizeof folder, "%s%s", mount, group);
  if (length < 0 || (size_t)length >= sizeof folder) return 0;
  for (;;) {
    int quota = quota_of(folder);
    if (quota > 0 && (smallest == 0 || quota < smallest)) smallest = quota;
    char *slash = strrchr(folder, '/');
    if (!slash || (size_t)(slash - folder) < root) break;
    *slash = 0;
  }
  return smallest;
}

/* OMP_NUM_THREADS, by which schedulers such as Ray tell a process its share of a machine: a number, or a list of which
 * the first counts; 0 where it is not set or no number. */
static int announced_threads(void) {
  const char *text = getenv("OMP_NUM_THREADS");
  if (!text) return 0;
  char *end;
  long count = strtol(text, &end, 10);
  while (*end == ' ') end++;
  return end == text || (*end && *end != ',') || count < 1 || count > 1 << 20 ? 0 : (int)count;
}

int cloze_available_processors(void) {
  int count = 0;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  if (count < 1) count = (int)sysconf(_SC_NPROCESSORS_ONLN);
  if (count < 1) count = 1;
  int announced = announced_threads();
  if (announced > 0 && announced < count) count = announced;

  FILE *file = fopen("/proc/self/cgroup", "re");
  if (!file) return count;
  char line[4096];
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) continue;
    *group++ = 0;
    controllers++;
    int quota = 0;
    if (!*controllers)
      quota = smallest_quota("/sys/fs/cgroup", strcmp(group, "/") ? group : "");
    else if (strstr(controllers, "cpu") && !strstr(controllers, "cpuset"))
      quota = smallest_quota("/sys/fs/cgroup/cpu", strcmp(group, "/") ? group : "");
    if (quota > 0 && quota < count) count = quota;
  }
  fclose(file);
  return count;
}

const char *cloze_image_path(void) {
  Dl_info info;
  return dladdr((const void *)cloze_image_path, &info) ? info.dli_fname : NULL;
}
