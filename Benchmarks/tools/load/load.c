/* load - makes and swallows the bytes of a benchmark, at as little cost as it can.
 *
 *   load serve ADDR PORT                                  TCP and UDP, for ever
 *   load stream ADDR PORT down|up|both N SECONDS [connect]
 *                  N streams (each way) for SECONDS; the clock starts when all are connected, or
 *                  with `connect` before the first is
 *   load echo ADDR PORT tcp|udp INTERVAL_MS SECONDS       a small message each INTERVAL_MS, whether
 *                  or not the one before came back
 *   load connections ADDR PORT N SECONDS                  N clients that connect, get a byte, close
 *   load hold ADDR PORT N SECONDS                         open N, or as many as the time allows, use
 *                  each once; then each line "echo N" on standard input measures N echoes over
 *                  them; ends with the input
 *
 * All print JSON; times are microseconds unless the key says otherwise. IPv4.
 */
#include "load.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

struct sockaddr_in address_of(const char *host, const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die(host);
    return address;
}

int connect_to(const struct sockaddr_in *address) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (const void *)address, sizeof *address) == 0) return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

int send_all(int fd, const void *data, size_t size) {
    while (size) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        data = (const char *)data + n, size -= n;
    }
    return 0;
}

int receive_all(int fd, void *data, size_t size) {
    while (size) {
        ssize_t n = recv(fd, data, size, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = ECONNRESET;
        if (n <= 0) return -1;
        data = (char *)data + n, size -= n;
    }
    return 0;
}

void figures_add(struct figures *f, uint64_t nanoseconds) {
    if (f->count == f->room) {
        f->room = f->room ? f->room * 2 : 1024;
        f->value = realloc(f->value, f->room * sizeof *f->value);
        if (!f->value) die("memory");
    }
    uint64_t us = (nanoseconds + 500) / 1000;
    f->value[f->count++] = us < UINT32_MAX ? us : UINT32_MAX;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void figures_print(struct figures *f) {
    static const struct { const char *name; double at; } points[] = {
        {"min", 0}, {"p50", .5}, {"p95", .95}, {"p99", .99}, {"p999", .999}, {"max", 1}};
    double sum = 0;
    if (f->count) qsort(f->value, f->count, sizeof *f->value, ascending);
    for (size_t i = 0; i < f->count; i++) sum += f->value[i];
    printf("{\"count\":%zu", f->count);
    for (size_t i = 0; f->count && i < sizeof points / sizeof *points; i++) {
        printf(",\"%s\":%u", points[i].name, f->value[(size_t)(points[i].at * (f->count - 1) + .5)]);
    }
    if (f->count) printf(",\"mean\":%.1f", sum / f->count);
    printf("}");
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int least, most; /* arguments after the port */
        int (*run)(const struct sockaddr_in *, int, char **);
    } verbs[] = {{"stream", 3, 4, stream}, {"echo", 3, 3, echo}, {"connections", 2, 2, connections}, {"hold", 2, 2, hold}};
    /* Ten thousand connections need descriptors; what is not allowed is not got. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (argc >= 4) {
        struct sockaddr_in address = address_of(argv[2], argv[3]);
        if (!strcmp(argv[1], "serve") && argc == 4) return serve(&address);
        for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
            int rest = argc - 4;
            if (!strcmp(argv[1], verbs[i].name) && rest >= verbs[i].least && rest <= verbs[i].most)
                return verbs[i].run(&address, rest, argv + 4);
        }
    }
    fprintf(stderr, "usage: load serve|stream|echo|connections|hold ADDR PORT ...: see load.c\n");
    return 2;
}
