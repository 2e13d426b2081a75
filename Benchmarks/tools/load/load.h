/* What the parts of `load` share: the request that begins a connection, time, sockets, figures. */
#ifndef LOAD_H
#define LOAD_H

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>

/* Half the usual second-level cache: the data stays there while it is copied to the kernel. */
enum { CHUNK = 256 * 1024 };

/* Bytes of an echo message: the time it was sent, and padding to what a keystroke under SSH takes. */
enum { MESSAGE = 64 };

enum kind {
    GET = 'g',   /* the server sends bytes until the client has enough */
    PUT = 'p',   /* the client sends blocks of CHUNK bytes; the first byte of the last one is not 0;
                    the server answers with a struct receipt */
    ECHO = 'e',  /* the server sends back what comes */
    CLOSE = 'c', /* the server sends one byte and closes: so TIME_WAIT stays at its end */
};

struct request {
    char kind;
    char pad[7];
};

struct receipt {
    uint64_t bytes;       /* of the host's order: both ends are one machine */
    uint64_t nanoseconds; /* from the request to the last byte, by the server's clock */
};

void die(const char *what);
uint64_t now_ns(void);
struct sockaddr_in address_of(const char *host, const char *port);

/* A TCP connection, blocking; -1 when it failed (errno tells). */
int connect_to(const struct sockaddr_in *address);

/* All of `data`, or -1. For blocking sockets. */
int send_all(int fd, const void *data, size_t size);
int receive_all(int fd, void *data, size_t size);

/* Measurements of one kind, in microseconds. Keeps all of them. */
struct figures {
    uint32_t *value;
    size_t count, room;
};
void figures_add(struct figures *f, uint64_t nanoseconds);

/* Sorts; prints {"count":…,"p50":…,…} */
void figures_print(struct figures *f);

int serve(const struct sockaddr_in *address);
int stream(const struct sockaddr_in *address, int argc, char **argv);
int echo(const struct sockaddr_in *address, int argc, char **argv);
int connections(const struct sockaddr_in *address, int argc, char **argv);
int hold(const struct sockaddr_in *address, int argc, char **argv);

#endif
