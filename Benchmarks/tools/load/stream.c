/* `load stream`: many streams at once for a time, one thread. */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long the last bytes of an upload may take to arrive after its time: more than any queue of ours holds. */
static const uint64_t PATIENCE = 120000000000ull;

enum phase { MOVING, LAST_BLOCK, WAITING, OVER };

struct flow {
    int fd, up;
    enum phase phase;
    uint64_t bytes;       /* down: received. up: what the server says it received */
    uint64_t finished;    /* nanoseconds; up: by the server's clock */
    size_t block_left;    /* up: of the current block */
    struct receipt receipt;
    size_t receipt_got;
};

static char chunk[CHUNK];

/* Receive and throw away. */
static int pull(struct flow *f) {
    ssize_t n = recv(f->fd, chunk, CHUNK, MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) return -1;
    f->bytes += n;
    return 0;
}

/* Send the rest of a block, or a new one: its first byte tells whether it is the last. */
static int push(struct flow *f, int last) {
    if (f->block_left == 0) {
        if (f->phase == LAST_BLOCK) {
            f->phase = WAITING;
            return 0;
        }
        f->block_left = CHUNK;
        if (last) f->phase = LAST_BLOCK;
    }
    chunk[0] = f->phase == LAST_BLOCK;
    ssize_t n = send(f->fd, chunk + CHUNK - f->block_left, f->block_left, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) return -1;
    f->block_left -= n;
    return 0;
}

static int read_receipt(struct flow *f) {
    ssize_t n = recv(f->fd, (char *)&f->receipt + f->receipt_got, sizeof f->receipt - f->receipt_got, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) return -1;
    f->receipt_got += n;
    if (f->receipt_got < sizeof f->receipt) return 0;
    f->bytes = f->receipt.bytes, f->finished = f->receipt.nanoseconds, f->phase = OVER;
    return 0;
}

static int step(struct flow *f, int late) {
    if (!f->up) return pull(f);
    return f->phase == WAITING ? read_receipt(f) : push(f, late);
}

static void print_direction(const char *name, const struct flow *flows, int count, int up) {
    uint64_t bytes = 0, longest = 0;
    int lost = 0;
    printf(",\"%s\":{\"per_stream\":[", name);
    for (int i = 0, first = 1; i < count; i++) {
        if (flows[i].up != up) continue;
        printf("%s%llu", first ? "" : ",", (unsigned long long)flows[i].bytes);
        first = 0, bytes += flows[i].bytes, lost += flows[i].finished == 0;
        if (flows[i].finished > longest) longest = flows[i].finished;
    }
    printf("],\"bytes\":%llu,\"seconds\":%.6f,\"unfinished\":%d}", (unsigned long long)bytes, longest / 1e9, lost);
}

/* Moves bytes until the time is over and every upload has its receipt. */
static void run(int poller, struct flow *flows, int count, uint64_t start, uint64_t deadline) {
    int open = count, closed_downs = 0;
    while (open > 0) {
        struct epoll_event ready[64];
        int n = epoll_wait(poller, ready, 64, 100);
        uint64_t now = now_ns();
        int late = now >= deadline;
        for (int i = 0; i < n; i++) {
            struct flow *f = ready[i].data.ptr;
            if (f->phase == OVER) continue;
            enum phase before = f->phase;
            if (step(f, late)) f->phase = OVER, f->finished = 0, f->bytes = f->up ? 0 : f->bytes;
            if (f->phase == WAITING && before != WAITING) {
                struct epoll_event event = {.events = EPOLLIN, .data.ptr = f};
                epoll_ctl(poller, EPOLL_CTL_MOD, f->fd, &event);
            }
            if (f->phase == OVER) {
                if (!f->finished) fprintf(stderr, "load: a stream ended early: %s\n", strerror(errno));
                epoll_ctl(poller, EPOLL_CTL_DEL, f->fd, NULL);
                open--;
            }
        }
        if (late && !closed_downs) {
            closed_downs = 1;
            for (int i = 0; i < count; i++) {
                if (flows[i].up || flows[i].phase == OVER) continue;
                flows[i].phase = OVER, flows[i].finished = now - start, open--;
                epoll_ctl(poller, EPOLL_CTL_DEL, flows[i].fd, NULL);
                close(flows[i].fd);
            }
        }
        if (now > deadline + PATIENCE) break;
    }
}

int stream(const struct sockaddr_in *address, int argc, char **argv) {
    int downs = strcmp(argv[0], "up") != 0, ups = strcmp(argv[0], "down") != 0, each = atoi(argv[1]);
    double seconds = atof(argv[2]);
    int from_connect = argc > 3 && !strcmp(argv[3], "connect"), count = each * (downs + ups);
    struct flow *flows = calloc(count, sizeof *flows);
    int poller = epoll_create1(EPOLL_CLOEXEC);
    if (!flows || poller < 0 || count <= 0 || seconds <= 0) die("stream");
    for (size_t i = 0; i < CHUNK; i++) chunk[i] = i * 2654435761u >> 24;

    uint64_t begun = now_ns();
    for (int i = 0; i < count; i++) {
        flows[i].up = downs && ups ? i % 2 : ups;
        flows[i].fd = connect_to(address);
        if (flows[i].fd < 0) die("connect");
    }
    uint64_t connected = now_ns(), start = from_connect ? begun : connected;
    for (int i = 0; i < count; i++) {
        struct request request = {.kind = flows[i].up ? PUT : GET};
        struct epoll_event event = {.events = flows[i].up ? EPOLLOUT : EPOLLIN, .data.ptr = &flows[i]};
        if (send_all(flows[i].fd, &request, sizeof request)) die("send");
        fcntl(flows[i].fd, F_SETFL, O_NONBLOCK);
        if (epoll_ctl(poller, EPOLL_CTL_ADD, flows[i].fd, &event)) die("epoll_ctl");
    }
    run(poller, flows, count, start, start + (uint64_t)(seconds * 1e9));
    printf("{\"connect_seconds\":%.6f", (connected - begun) / 1e9);
    if (downs) print_direction("down", flows, count, 0);
    if (ups) print_direction("up", flows, count, 1);
    printf("}\n");
    return 0;
}
