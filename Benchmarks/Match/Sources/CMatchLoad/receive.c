#define _GNU_SOURCE
#include "CMatchLoad.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

typedef union {
    struct cmsghdr header;  // for alignment
    char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
} control_storage;

struct ml_reader {
    unsigned slots, slot_bytes;
    struct mmsghdr *messages;
    struct iovec *vectors;
    struct sockaddr_in *sources;
    control_storage *controls;
    uint8_t *bytes;
};

ml_reader *ml_reader_create(unsigned slots, unsigned slot_bytes) {
    ml_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return NULL;
    reader->slots = slots;
    reader->slot_bytes = slot_bytes;
    reader->messages = calloc(slots, sizeof *reader->messages);
    reader->vectors = calloc(slots, sizeof *reader->vectors);
    reader->sources = calloc(slots, sizeof *reader->sources);
    reader->controls = calloc(slots, sizeof *reader->controls);
    reader->bytes = malloc((size_t)slots * slot_bytes);
    // A reader lives as long as the program: what was allocated before one of these failed goes with it.
    if (!reader->messages || !reader->vectors || !reader->sources || !reader->controls || !reader->bytes) return NULL;
    for (unsigned i = 0; i < slots; i++) {
        reader->vectors[i] = (struct iovec){reader->bytes + (size_t)i * slot_bytes, slot_bytes};
        reader->messages[i].msg_hdr.msg_iov = &reader->vectors[i];
        reader->messages[i].msg_hdr.msg_iovlen = 1;
        reader->messages[i].msg_hdr.msg_name = &reader->sources[i];
        reader->messages[i].msg_hdr.msg_control = reader->controls[i].bytes;
    }
    return reader;
}

int ml_tell_addresses(int socket) {
    int on = 1;
    return setsockopt(socket, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) == 0 ? 0 : -errno;
}

static uint32_t destination(struct msghdr *header) {
    for (struct cmsghdr *each = CMSG_FIRSTHDR(header); each; each = CMSG_NXTHDR(header, each)) {
        if (each->cmsg_level != IPPROTO_IP || each->cmsg_type != IP_PKTINFO) continue;
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(each), sizeof info);
        return ntohl(info.ipi_addr.s_addr);
    }
    return 0;
}

int ml_receive(ml_reader *reader, int socket, ml_datagram *datagrams) {
    for (unsigned i = 0; i < reader->slots; i++) {
        reader->messages[i].msg_hdr.msg_namelen = sizeof reader->sources[i];
        reader->messages[i].msg_hdr.msg_controllen = sizeof reader->controls[i];
    }
    int count = recvmmsg(socket, reader->messages, reader->slots, MSG_DONTWAIT, NULL);
    if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) {
        datagrams[i] = (ml_datagram){
            .bytes = reader->bytes + (size_t)i * reader->slot_bytes,
            .byte_count = reader->messages[i].msg_len,
            .to = destination(&reader->messages[i].msg_hdr),
            .from = ntohl(reader->sources[i].sin_addr.s_addr),
            .from_port = ntohs(reader->sources[i].sin_port),
        };
    }
    return count;
}

void ml_wait(int socket, int writes, int64_t nanoseconds) {
    struct pollfd what = {.fd = socket, .events = writes ? POLLOUT : POLLIN};
    struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    // Interrupted or not: whoever waits looks again.
    ppoll(&what, 1, &time, NULL);
}
