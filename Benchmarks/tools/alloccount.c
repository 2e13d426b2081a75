/* alloccount - counts a program's allocations. To be loaded before the C library:
 *
 *   LD_PRELOAD=liballoccount.so DX_ALLOC_FILE=/tmp/counts PROGRAM
 *
 * The counts are in that file (struct counts below) from the first moment on: it is mapped into
 * the program, so it can be read while the program runs, and is right however the program ends.
 * Without DX_ALLOC_FILE nothing is counted. With DX_ALLOC_STACKS=N the callers of every Nth
 * allocation are kept too (by frame pointers; code that has none ends or bends the trace).
 *
 * Counted: malloc, calloc, realloc, reallocarray, posix_memalign, aligned_alloc, memalign, valloc,
 * pvalloc, free, of all threads. A forked child counts nothing until it executes a program.
 * glibc only: the work is done by the names that it keeps for this (__libc_malloc).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DEPTH = 30, SAMPLES = 16384 };

struct counts {
    char magic[8];          /* "DXALLOC1", written last: a file without it is not ready */
    uint64_t pid;
    _Atomic uint64_t malloc, calloc, realloc, aligned, free;
    _Atomic uint64_t bytes; /* asked for */
    _Atomic int64_t live;   /* blocks: what was allocated and not yet freed */
    uint64_t every;         /* DX_ALLOC_STACKS, or 0 */
    _Atomic uint64_t sampled;
    struct sample {
        uint64_t bytes;
        uintptr_t frame[DEPTH]; /* the caller first; 0 after the last */
    } sample[SAMPLES];      /* the first ones; later ones only count */
};

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static struct counts *counts;          /* NULL: not counting */
static _Atomic uint64_t turn;
static __thread uintptr_t stack_end;   /* 0: not asked yet */
static __thread int inside;            /* our own questions allocate */

static uintptr_t end_of_stack(void) {
    if (stack_end) return stack_end;
    pthread_attr_t attributes;
    void *low;
    size_t size;
    inside = 1;
    stack_end = 1;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        if (pthread_attr_getstack(&attributes, &low, &size) == 0) stack_end = (uintptr_t)low + size;
        pthread_attr_destroy(&attributes);
    }
    inside = 0;
    return stack_end;
}

/* Follows frame pointers. Each is looked at only where this thread's stack is, so that a register
 * that holds something else can mislead the trace but not the program. */
__attribute__((noinline)) static void keep_stack(size_t bytes) {
    if (inside) return;
    uintptr_t end = end_of_stack(), *frame = __builtin_frame_address(0);
    uint64_t index = atomic_fetch_add_explicit(&counts->sampled, 1, memory_order_relaxed);
    if (index >= SAMPLES) return;
    struct sample *sample = &counts->sample[index];
    uintptr_t here = (uintptr_t)frame;
    for (int depth = 0; depth < DEPTH; depth++) {
        if ((uintptr_t)frame < here || (uintptr_t)(frame + 2) > end || (uintptr_t)frame % sizeof *frame) break;
        if (frame[1] == 0) break;
        sample->frame[depth] = frame[1];
        uintptr_t *next = (uintptr_t *)frame[0];
        if (next <= frame) break;
        frame = next;
    }
    sample->bytes = bytes;
}

static inline void allocated(_Atomic uint64_t *kind, size_t bytes, int blocks) {
    atomic_fetch_add_explicit(kind, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counts->bytes, bytes, memory_order_relaxed);
    if (blocks) atomic_fetch_add_explicit(&counts->live, blocks, memory_order_relaxed);
    if (counts->every && atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed) % counts->every == 0) keep_stack(bytes);
}

void *malloc(size_t size) {
    void *block = __libc_malloc(size);
    if (counts && block) allocated(&counts->malloc, size, 1);
    return block;
}

void *calloc(size_t number, size_t size) {
    void *block = __libc_calloc(number, size);
    if (counts && block) allocated(&counts->calloc, number * size, 1);
    return block;
}

void *realloc(void *old, size_t size) {
    void *block = __libc_realloc(old, size);
    if (counts) {
        if (block) allocated(&counts->realloc, size, old == NULL);
        else if (old && size == 0) {       /* glibc: that was a free */
            atomic_fetch_add_explicit(&counts->free, 1, memory_order_relaxed);
            atomic_fetch_sub_explicit(&counts->live, 1, memory_order_relaxed);
        }
    }
    return block;
}

void *reallocarray(void *old, size_t number, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(number, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, total);
}

void *memalign(size_t alignment, size_t size) {
    void *block = __libc_memalign(alignment, size);
    if (counts && block) allocated(&counts->aligned, size, 1);
    return block;
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) || alignment == 0 || alignment & (alignment - 1)) return EINVAL;
    void *block = memalign(alignment, size);
    if (!block) return ENOMEM;
    *result = block;
    return 0;
}

void *valloc(size_t size) { return memalign(sysconf(_SC_PAGESIZE), size); }

void *pvalloc(size_t size) {
    size_t page = sysconf(_SC_PAGESIZE);
    return memalign(page, (size + page - 1) / page * page);
}

void free(void *block) {
    if (counts && block) {
        atomic_fetch_add_explicit(&counts->free, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&counts->live, 1, memory_order_relaxed);
    }
    __libc_free(block);
}

static void forget(void) { counts = NULL; }

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DX_ALLOC_FILE"), *every = getenv("DX_ALLOC_STACKS");
    if (!path) return;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct { char magic[8]; uint64_t pid; } owner = {0};
    /* A wrapper (ip, setpriv) that became this program had the file before: same pid, take it. Whoever
     * was started by a living owner must leave it alone. */
    if (fd >= 0 && pread(fd, &owner, sizeof owner, 0) == sizeof owner && owner.pid != (uint64_t)getpid()
        && owner.pid && kill(owner.pid, 0) == 0) {
        close(fd);
        return;
    }
    if (fd < 0 || ftruncate(fd, 0) != 0 || ftruncate(fd, sizeof(struct counts)) != 0) {
        static const char words[] = "alloccount: cannot write DX_ALLOC_FILE\n";
        if (write(2, words, sizeof words - 1) < 0) _exit(127);
        _exit(127);
    }
    struct counts *made = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (made == MAP_FAILED) _exit(127);
    made->pid = getpid();
    made->every = every ? strtoull(every, NULL, 10) : 0;
    pthread_atfork(NULL, NULL, forget);
    memcpy(made->magic, "DXALLOC1", sizeof made->magic);
    counts = made;
}
