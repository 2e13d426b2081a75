/* `load connections`: clients that connect, get one byte, and close, as often as they can. */
#include "load.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct client {
    pthread_t thread;
    const struct sockaddr_in *address;
    uint64_t deadline, failures;
    int reason;
    struct figures times;
};

static int once(const struct sockaddr_in *address) {
    struct request request = {.kind = CLOSE};
    char byte;
    int fd = connect_to(address);
    if (fd < 0) return -1;
    int failed = send_all(fd, &request, sizeof request) || receive_all(fd, &byte, 1);
    int reason = errno;
    if (!failed) receive_all(fd, &byte, 1);      /* the end: the server closes first */
    close(fd);
    errno = reason;
    return failed ? -1 : 0;
}

static void *work(void *argument) {
    struct client *c = argument;
    for (uint64_t start; (start = now_ns()) < c->deadline;) {
        if (once(c->address) == 0) {
            figures_add(&c->times, now_ns() - start);
        } else {
            c->failures++, c->reason = errno;
            usleep(1000);                        /* a refusal is quick: do not count millions of them */
        }
    }
    return NULL;
}

int connections(const struct sockaddr_in *address, int argc, char **argv) {
    (void)argc;
    int count = atoi(argv[0]), reason = 0;
    struct client *clients = calloc(count, sizeof *clients);
    struct figures all = {0};
    uint64_t start = now_ns(), failures = 0;
    if (!clients) die("memory");
    for (int i = 0; i < count; i++) {
        clients[i].address = address, clients[i].deadline = start + (uint64_t)(atof(argv[1]) * 1e9);
        if (pthread_create(&clients[i].thread, NULL, work, &clients[i])) die("pthread_create");
    }
    for (int i = 0; i < count; i++) {
        pthread_join(clients[i].thread, NULL);
        failures += clients[i].failures;
        if (clients[i].failures) reason = clients[i].reason;
        for (size_t k = 0; k < clients[i].times.count; k++) figures_add(&all, clients[i].times.value[k] * 1000ull);
    }
    printf("{\"seconds\":%.6f,\"failures\":%llu,\"last_failure\":\"%s\",\"time_us\":", (now_ns() - start) / 1e9,
           (unsigned long long)failures, reason ? strerror(reason) : "");
    figures_print(&all);
    printf("}\n");
    return 0;
}
