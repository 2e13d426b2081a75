/* The server of `load`: one thread for all connections, and a UDP echo on the same port. */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ECHO_ROOM = 16384 };

struct connection {
    int fd;
    uint32_t watched;     /* what epoll was asked for */
    struct request request;
    size_t got;           /* bytes of the request so far */
    uint64_t start, bytes;
    uint64_t block_left;  /* PUT: of the current block, 0 before its first byte */
    int last;             /* PUT: this block is the last one */
    size_t held;          /* ECHO: bytes that could not be sent back yet */
    char *buffer;
};

static char chunk[CHUNK];
static int poller;

static void watch(struct connection *c, uint32_t events) {
    if (c->watched == events) return;
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event)) die("epoll_ctl");
    c->watched = events;
}

static void end(struct connection *c) {
    close(c->fd);
    free(c->buffer);
    free(c);
}

/* Each of these returns -1 when the connection is over. */

static int would_block(ssize_t n) { return n < 0 && (errno == EAGAIN || errno == EINTR); }

static int give(struct connection *c) {
    ssize_t n = send(c->fd, chunk, CHUNK, MSG_NOSIGNAL);
    return n > 0 || would_block(n) ? 0 : -1;
}

static int take(struct connection *c) {
    if (c->block_left == 0) {
        char first;
        ssize_t n = recv(c->fd, &first, 1, 0);
        if (n <= 0) return would_block(n) ? 0 : -1;
        c->last = first != 0, c->block_left = CHUNK - 1, c->bytes++;
    }
    /* MSG_TRUNC: thrown away inside the kernel, tcp(7) */
    ssize_t n = recv(c->fd, chunk, c->block_left, MSG_TRUNC);
    if (n <= 0) return would_block(n) ? 0 : -1;
    c->bytes += n, c->block_left -= n;
    if (c->block_left || !c->last) return 0;
    struct receipt receipt = {c->bytes, now_ns() - c->start};
    send(c->fd, &receipt, sizeof receipt, MSG_NOSIGNAL);   /* 16 bytes always fit in an empty buffer */
    c->request.kind = ECHO;                                /* wait for the client to close */
    return 0;
}

static int send_back(struct connection *c) {
    if (!c->buffer && !(c->buffer = malloc(ECHO_ROOM))) die("memory");
    if (c->held == 0) {
        ssize_t n = recv(c->fd, c->buffer, ECHO_ROOM, 0);
        if (n <= 0) return would_block(n) ? 0 : -1;
        c->held = n;
    }
    ssize_t n = send(c->fd, c->buffer, c->held, MSG_NOSIGNAL);
    if (n < 0 && !would_block(n)) return -1;
    if (n > 0) {
        c->held -= n;
        memmove(c->buffer, c->buffer + n, c->held);
    }
    watch(c, c->held ? EPOLLOUT : EPOLLIN);
    if (c->held == 0) {      /* idle connections are many, and theirs is not the memory to measure */
        free(c->buffer);
        c->buffer = NULL;
    }
    return 0;
}

static int begin(struct connection *c) {
    ssize_t n = recv(c->fd, (char *)&c->request + c->got, sizeof c->request - c->got, 0);
    if (n <= 0) return would_block(n) ? 0 : -1;
    c->got += n;
    if (c->got < sizeof c->request) return 0;
    c->start = now_ns();
    if (c->request.kind == CLOSE) {
        send(c->fd, "!", 1, MSG_NOSIGNAL);
        return -1;
    }
    if (c->request.kind == GET) watch(c, EPOLLOUT | EPOLLRDHUP);
    return 0;
}

static int step(struct connection *c, uint32_t events) {
    if (c->got < sizeof c->request) return begin(c);
    if (events & (EPOLLERR | EPOLLHUP)) return -1;
    switch (c->request.kind) {
    case GET: return events & EPOLLRDHUP ? -1 : give(c);
    case PUT: return take(c);
    case ECHO: return send_back(c);
    default: return -1;
    }
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
        if (fd < 0) return;
        struct connection *c = calloc(1, sizeof *c);
        if (!c) die("memory");
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(c, EPOLLIN);
    }
}

static void echo_datagrams(int fd) {
    char data[2048];
    struct sockaddr_in from;
    for (;;) {
        socklen_t length = sizeof from;
        ssize_t n = recvfrom(fd, data, sizeof data, MSG_DONTWAIT, (void *)&from, &length);
        if (n < 0) return;
        sendto(fd, data, n, MSG_DONTWAIT, (void *)&from, length);
    }
}

int serve(const struct sockaddr_in *address) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (const void *)address, sizeof *address) || listen(listener, 4096)) die("listen");
    if (bind(datagrams, (const void *)address, sizeof *address)) die("bind");
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event)) die("epoll_ctl");
    event.data.ptr = &datagrams;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, datagrams, &event)) die("epoll_ctl");
    for (size_t i = 0; i < CHUNK; i++) chunk[i] = i * 2654435761u >> 24;
    for (;;) {
        struct epoll_event ready[64];
        int n = epoll_wait(poller, ready, 64, -1);
        for (int i = 0; i < n; i++) {
            void *what = ready[i].data.ptr;
            if (what == &listener) accept_all(listener);
            else if (what == &datagrams) echo_datagrams(datagrams);
            else if (step(what, ready[i].events)) end(what);
        }
    }
}
