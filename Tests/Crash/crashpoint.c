// crashpoint: preloaded into a program, it ends that program just before the nth call that changes the files below a
// directory, as a kill or a power cut would.
//
//   DX_CRASH_DIR    the directory; only calls that concern what is below it count
//   DX_CRASH_AT     n, from 1; 0 only counts; one more than there are such calls: when the program ends by itself
//   DX_CRASH_ARM    a file; nothing counts before it is there. For a program that runs until it is asked for something
//   DX_CRASH_MODE   kill: what was written so far stays, as the kernel has it
//                   lose: what was not flushed is gone: bytes of a file before its fsync, and names (rename, unlink) before the
//                   fsync of their directory
//   DX_CRASH_DEAF   set: the fsync of a file does nothing, to see that this is noticed
//   DX_CRASH_COUNT  a file that gets the number of such calls when the program ends by itself
//
// Calls that count: write, fsync, rename, unlink, mkdir. The program that is tested does them one after the other; a lock
// keeps other threads out of the tables. SIGUSR2 ends the program at once, in the way of DX_CRASH_MODE.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <time.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 256, LENGTH = 512 };

// A file of which something may not be on the disk: how much is.
static struct { char path[LENGTH]; off_t flushed; } files[MOST];
static int file_count;
// A name that changed and whose directory was not flushed: `to` was `from` (empty: it was removed); what was at `to` before is kept.
static struct { char from[LENGTH], to[LENGTH], kept[LENGTH]; } changes[MOST];
static int change_count;
static int calls, kept_count, is_armed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int concerns(const char *path) {
    const char *directory = getenv("DX_CRASH_DIR");
    size_t length = directory ? strlen(directory) : 0;
    return length && strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == 0);
}

// The path behind a descriptor, when it concerns us.
static int path_of(int descriptor, char *path) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(name, path, LENGTH - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return concerns(path);
}

static int file(const char *path) {
    for (int i = 0; i < file_count; i++)
        if (strcmp(files[i].path, path) == 0) return i;
    if (file_count == MOST) abort();
    snprintf(files[file_count].path, LENGTH, "%s", path);
    files[file_count].flushed = 0;
    return file_count++;
}

static void directory_of(const char *path, char *directory) {
    snprintf(directory, LENGTH, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash) *slash = 0;
}

// A second name for what is at `path`, to bring it back; empty when there is nothing.
static void keep(const char *path, char *kept) {
    snprintf(kept, LENGTH, "%.*s.crash-%d-%d", 480, getenv("DX_CRASH_DIR"), getpid(), kept_count++);
    if (link(path, kept) != 0) kept[0] = 0;
}

static void lose(void) {
    for (int i = 0; i < file_count; i++)
        if (truncate(files[i].path, files[i].flushed) != 0) continue;
    for (int i = change_count - 1; i >= 0; i--) {
        if (changes[i].from[0]) REAL(rename)(changes[i].to, changes[i].from);
        if (changes[i].kept[0]) REAL(rename)(changes[i].kept, changes[i].to);
    }
}

static void die(void) {
    const char *mode = getenv("DX_CRASH_MODE");
    if (mode && strcmp(mode, "lose") == 0) lose();
    _exit(137);
}

// One more call that counts; does not return when it is the one.
static void count(void) {
    const char *at = getenv("DX_CRASH_AT"), *arm = getenv("DX_CRASH_ARM");
    if (!is_armed) is_armed = !arm || access(arm, F_OK) == 0;
    if (!is_armed) return;
    calls++;
    if (at && atoi(at) == calls) die();
}

// The lock is held by whoever changes a file just now, for microseconds; by this very thread perhaps, so there is an end to it: a second.
static void die_now(int number) {
    (void)number;
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec++;
    pthread_mutex_timedlock(&lock, &end);
    die();
}

__attribute__((constructor)) static void start(void) { signal(SIGUSR2, die_now); }

ssize_t write(int descriptor, const void *bytes, size_t length) {
    char path[LENGTH];
    if (path_of(descriptor, path)) {
        pthread_mutex_lock(&lock);
        count();
        file(path);
        pthread_mutex_unlock(&lock);
    }
    return REAL(write)(descriptor, bytes, length);
}

int fsync(int descriptor) {
    char path[LENGTH];
    if (!path_of(descriptor, path)) return REAL(fsync)(descriptor);
    pthread_mutex_lock(&lock);
    count();
    struct stat status;
    int deaf = getenv("DX_CRASH_DEAF") && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    int result = deaf ? 0 : REAL(fsync)(descriptor);
    if (!deaf && result == 0 && fstat(descriptor, &status) == 0) {
        if (S_ISDIR(status.st_mode)) {
            int rest = 0;
            for (int i = 0; i < change_count; i++) {
                char directory[LENGTH];
                directory_of(changes[i].to, directory);
                if (strcmp(directory, path) != 0) changes[rest++] = changes[i];
                else if (changes[i].kept[0]) REAL(unlink)(changes[i].kept);
            }
            change_count = rest;
        } else {
            files[file(path)].flushed = status.st_size;
        }
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int rename(const char *from, const char *to) {
    if (!concerns(from) && !concerns(to)) return REAL(rename)(from, to);
    pthread_mutex_lock(&lock);
    count();
    if (change_count == MOST) abort();
    char kept[LENGTH];
    keep(to, kept);
    int result = REAL(rename)(from, to);
    if (result == 0) {
        // What is known of the file that was there goes with it.
        for (int i = 0; i < file_count; i++)
            if (strcmp(files[i].path, to) == 0) snprintf(files[i].path, LENGTH, "%s", kept);
        snprintf(changes[change_count].from, LENGTH, "%s", from);
        snprintf(changes[change_count].to, LENGTH, "%s", to);
        snprintf(changes[change_count++].kept, LENGTH, "%s", kept);
        snprintf(files[file(from)].path, LENGTH, "%s", to);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path) {
    if (!concerns(path)) return REAL(unlink)(path);
    pthread_mutex_lock(&lock);
    count();
    if (change_count == MOST) abort();
    char kept[LENGTH];
    keep(path, kept);
    int result = REAL(unlink)(path);
    if (result == 0 && kept[0]) {
        changes[change_count].from[0] = 0;
        snprintf(changes[change_count].to, LENGTH, "%s", path);
        snprintf(changes[change_count++].kept, LENGTH, "%s", kept);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    if (concerns(path)) {
        pthread_mutex_lock(&lock);
        count();
        pthread_mutex_unlock(&lock);
    }
    return REAL(mkdir)(path, mode);
}

__attribute__((destructor)) static void finish(void) {
    const char *path = getenv("DX_CRASH_COUNT"), *at = getenv("DX_CRASH_AT");
    if (at && atoi(at) == calls + 1) count();
    for (int i = 0; i < change_count; i++)
        if (changes[i].kept[0]) REAL(unlink)(changes[i].kept);
    if (!path) return;
    FILE *out = fopen(path, "w");
    if (!out) return;
    fprintf(out, "%d\n", calls);
    fclose(out);
}
