/*
 * wallclock - a wall clock that jumps, for one program, while it runs.
 *
 * Preloaded (LD_PRELOAD) into a program whose environment names a file of eight bytes in LAB_WALLCLOCK: a signed number
 * of nanoseconds that is added to what the program takes for the time of day. Who writes the file sets the program's
 * clock, at once. CLOCK_MONOTONIC and CLOCK_BOOTTIME, by which timers are, stay what they are, and so does the host's
 * clock; so the kernel tells nobody that the time was set (TFD_TIMER_CANCEL_ON_SET does not end a timer), as it would
 * on a real machine.
 *
 * The file is mapped when the program starts: no descriptor stays open, no other is needed later, nothing is locked.
 * The environment is left as it is, as Swift finds a program's arguments beside it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset;

__attribute__((constructor)) static void map_offset(void)
{
    const char *path = getenv("LAB_WALLCLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED)
        offset = page;
}

static int64_t now(void)
{
    struct timespec t;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec + (offset ? __atomic_load_n(offset, __ATOMIC_RELAXED) : 0);
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, t);
    int64_t n = now();
    t->tv_sec = n / 1000000000, t->tv_nsec = n % 1000000000;
    return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    int64_t n = now();
    (void)zone;
    t->tv_sec = n / 1000000000, t->tv_usec = n % 1000000000 / 1000;
    return 0;
}

time_t time(time_t *t)
{
    time_t n = now() / 1000000000;
    if (t)
        *t = n;
    return n;
}
