/* `load echo`: small messages at a fixed rhythm. The rhythm does not wait for answers, so that a
 * stall is counted by every message that it held up, and not by one alone. */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* How long to wait for the last answers. */
static const uint64_t PATIENCE = 5000000000ull;

/* Takes the answers that are there; -1 when the connection ended. */
static int take_answers(int fd, int udp, struct figures *times, uint64_t *answered) {
    static char data[MESSAGE * 64];
    static size_t held;
    for (;;) {
        ssize_t n = recv(fd, data + held, udp ? sizeof data : sizeof data - held, MSG_DONTWAIT);
        if (n < 0) return errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED ? 0 : -1;
        if (n == 0) return -1;
        uint64_t now = now_ns(), sent;
        size_t whole = 0;
        held += n;
        for (; held - whole >= MESSAGE; whole += MESSAGE) {
            memcpy(&sent, data + whole, sizeof sent);
            figures_add(times, now - sent);
            ++*answered;
        }
        held -= whole;
        memmove(data, data + whole, held);
        if (udp) held = 0;
    }
}

static int open_socket(const struct sockaddr_in *address, int udp) {
    if (!udp) {
        struct request request = {.kind = ECHO};
        int fd = connect_to(address);
        if (fd < 0 || send_all(fd, &request, sizeof request)) die("connect");
        return fd;
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const void *)address, sizeof *address)) die("connect");
    return fd;
}

int echo(const struct sockaddr_in *address, int argc, char **argv) {
    (void)argc;
    int udp = !strcmp(argv[0], "udp"), fd = open_socket(address, udp), ended = 0;
    uint64_t interval = atof(argv[1]) * 1e6, sent = 0, answered = 0;
    struct figures times = {0}, lateness = {0};
    prctl(PR_SET_TIMERSLACK, 1);
    uint64_t start = now_ns(), end = start + (uint64_t)(atof(argv[2]) * 1e9), next = start;
    while (!ended) {
        uint64_t now = now_ns();
        if (now >= next && next < end) {
            char message[MESSAGE] = {0};
            memcpy(message, &now, sizeof now);
            figures_add(&lateness, now - next);
            /* A full socket buffer blocks, and the time waited then counts as lateness of what follows. */
            if (send_all(fd, message, sizeof message) && !udp) break;
            sent++, next += interval;
        }
        if (next >= end && (answered == sent || now >= end + PATIENCE)) break;
        uint64_t until = next < end ? next : end + PATIENCE;
        now = now_ns();
        uint64_t wait = until > now ? until - now : 0;
        struct timespec limit = {wait / 1000000000, wait % 1000000000};
        struct pollfd event = {fd, POLLIN, 0};
        if (ppoll(&event, 1, &limit, NULL) > 0) ended = take_answers(fd, udp, &times, &answered) < 0;
    }
    printf("{\"sent\":%llu,\"answered\":%llu,\"rtt_us\":", (unsigned long long)sent, (unsigned long long)answered);
    figures_print(&times);
    printf(",\"sent_late_us\":");
    figures_print(&lateness);
    printf("}\n");
    return 0;
}
