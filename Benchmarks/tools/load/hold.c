/* `load hold`: many open connections, each used once, then idle. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

static int exchange(int fd) {
    char message[MESSAGE] = "are you there?", answer[MESSAGE];
    return send_all(fd, message, sizeof message) || receive_all(fd, answer, sizeof answer)
               || memcmp(message, answer, sizeof answer) ? -1 : 0;
}

static int open_one(const struct sockaddr_in *address) {
    struct request request = {.kind = ECHO};
    /* A program that accepts at its limit and then says nothing must not hang the measurement. */
    struct timeval patience = {20, 0};
    int fd = connect_to(address);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return send_all(fd, &request, sizeof request) || exchange(fd) ? -1 : fd;
}

int hold(const struct sockaddr_in *address, int argc, char **argv) {
    (void)argc;
    uint64_t deadline = now_ns() + (uint64_t)(atof(argv[1]) * 1e9);
    int wanted = atoi(argv[0]), opened = 0, next = 0, reason = 0;
    int *fds = calloc(wanted, sizeof *fds);
    char line[64];
    if (!fds) die("memory");
    uint64_t start = now_ns();
    for (; opened < wanted && now_ns() < deadline; opened++) {
        fds[opened] = open_one(address);
        if (fds[opened] < 0) {
            reason = errno;
            break;
        }
    }
    printf("{\"opened\":%d,\"seconds\":%.6f,\"failure\":\"%s\"}\n", opened, (now_ns() - start) / 1e9,
           reason ? strerror(reason) : "");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        struct figures times = {0};
        int count = !strncmp(line, "echo ", 5) ? atoi(line + 5) : 0, failures = 0;
        for (int i = 0; i < count && opened; i++, next = (next + 1) % opened) {
            uint64_t sent = now_ns();
            if (exchange(fds[next])) failures++;
            else figures_add(&times, now_ns() - sent);
        }
        printf("{\"failures\":%d,\"rtt_us\":", failures);
        figures_print(&times);
        printf("}\n");
        fflush(stdout);
        free(times.value);
    }
    return 0;
}
