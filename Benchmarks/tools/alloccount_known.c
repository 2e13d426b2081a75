/* Allocates a known number of times, leaks a known number of blocks, and prints what it did: what
 * `alloccount` is tested with. Its arguments multiply each part, so that a test can take the
 * difference of two runs and what the C library allocates for itself falls out.
 *
 *   alloccount-known MALLOCS CALLOCS REALLOCS ALIGNED LEAKS THREADS
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEAK_BYTES = 100 };
static void *volatile sink;

static void work(int mallocs, int callocs, int reallocs, int aligned) {
    for (int i = 0; i < mallocs; i++) {
        sink = malloc(10);
        free(sink);
    }
    for (int i = 0; i < callocs; i++) {
        sink = calloc(3, 7);
        free(sink);
    }
    for (int i = 0; i < reallocs; i++) {       /* three calls of realloc and one free */
        void *block = realloc(NULL, 8);
        block = realloc(block, 5000);
        sink = block;
        block = reallocarray(block, 2, 3000);
        sink = block;
        free(block);
    }
    for (int i = 0; i < aligned; i++) {        /* three aligned blocks */
        void *block = NULL;
        if (posix_memalign(&block, 64, 200)) abort();
        sink = block;
        free(block);
        sink = aligned_alloc(64, 128);
        free(sink);
        sink = memalign(32, 100);
        free(sink);
    }
    free(NULL);                                /* is no free */
}

static int mallocs, callocs, reallocs, aligned;

static void *in_thread(void *unused) {
    work(mallocs, callocs, reallocs, aligned);
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    mallocs = atoi(argv[1]), callocs = atoi(argv[2]), reallocs = atoi(argv[3]), aligned = atoi(argv[4]);
    int leaks = atoi(argv[5]), threads = atoi(argv[6]);
    work(mallocs, callocs, reallocs, aligned);
    for (int i = 0; i < leaks; i++) sink = malloc(LEAK_BYTES);
    for (int i = 0; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, in_thread, NULL) || pthread_join(thread, NULL)) return 1;
    }
    pid_t child = fork();                      /* what a child does, and becomes, is not this program's */
    if (child == 0) {
        work(1000, 0, 0, 0);
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    int status;
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}
