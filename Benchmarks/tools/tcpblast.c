/* tcpblast - one TCP stream, as fast as a program can push it: for measuring what is between.
 *
 *   tcpblast serve ADDR PORT           for ever; each connection asks for what it wants
 *   tcpblast get ADDR PORT BYTES       receive that many bytes
 *   tcpblast put ADDR PORT BYTES       send that many bytes; ends when the server has them all
 *
 * get and put print {"bytes":…,"seconds":…,"cpu_seconds":…}. The time runs from the request to the
 * last byte. Received bytes are thrown away inside the kernel (MSG_TRUNC, tcp(7)), and sent ones
 * are always the same, so that both ends cost as little as they can. IPv4.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Half the usual second-level cache: the data stays there while it is copied to the kernel. */
enum { CHUNK = 256 * 1024 };
static char chunk[CHUNK];

struct request {
    char kind;          /* 'g' or 'p' */
    char pad[7];
    uint64_t bytes;     /* of the host's order: both ends are one machine */
};

static void die(const char *what) {
    fprintf(stderr, "tcpblast: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int send_bytes(int fd, const void *data, size_t size, uint64_t total) {
    while (total) {
        size_t part = total < size ? total : size;
        ssize_t n = send(fd, data, part, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        total -= n;
        if (size != CHUNK) data = (const char *)data + n;
    }
    return 0;
}

static int take_bytes(int fd, uint64_t total) {
    while (total) {
        ssize_t n = recv(fd, chunk, total < CHUNK ? total : CHUNK, MSG_TRUNC);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        total -= n;
    }
    return 0;
}

static int take_exactly(int fd, void *data, size_t size) {
    return recv(fd, data, size, MSG_WAITALL) == (ssize_t)size ? 0 : -1;
}

static void serve(int fd) {
    struct request r;
    while (take_exactly(fd, &r, sizeof r) == 0) {
        if (r.kind == 'g') {
            if (send_bytes(fd, chunk, CHUNK, r.bytes)) return;
        } else {
            if (take_bytes(fd, r.bytes) || send_bytes(fd, "!", 1, 1)) return;
        }
    }
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: tcpblast serve ADDR PORT | get ADDR PORT BYTES | put ADDR PORT BYTES\n");
        return 2;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
    if (inet_pton(AF_INET, argv[2], &address.sin_addr) != 1) die(argv[2]);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0) die("socket");
    for (size_t i = 0; i < CHUNK; i++) chunk[i] = i * 2654435761u >> 24;

    if (!strcmp(argv[1], "serve")) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, (void *)&address, sizeof address) || listen(fd, 1024)) die("listen");
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int connection = accept(fd, NULL, NULL);
            if (connection < 0) continue;
            if (fork() == 0) {
                close(fd);
                serve(connection);
                return 0;
            }
            close(connection);
        }
    }
    if (argc != 5) return 2;
    if (connect(fd, (void *)&address, sizeof address)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct request r = {.kind = argv[1][0], .bytes = strtoull(argv[4], NULL, 10)};
    double start = now(CLOCK_MONOTONIC);
    if (send_bytes(fd, &r, sizeof r, sizeof r)) die("send");
    if (r.kind == 'g' ? take_bytes(fd, r.bytes)
                      : send_bytes(fd, chunk, CHUNK, r.bytes) || take_exactly(fd, chunk, 1)) die("the stream ended early");
    double seconds = now(CLOCK_MONOTONIC) - start;
    printf("{\"bytes\":%llu,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n", (unsigned long long)r.bytes, seconds,
           now(CLOCK_PROCESS_CPUTIME_ID));
    return 0;
}
