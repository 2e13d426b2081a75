#define _GNU_SOURCE
#include "CDXSystem.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

// Three control messages at most: source address, ECN, segment size.
#define CONTROL_SPACE (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t)))

typedef union {
    struct cmsghdr header;  // for alignment
    char bytes[CONTROL_SPACE];
} control_storage;

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address_storage;

struct dx_batch {
    unsigned capacity;
    struct mmsghdr *messages;
    struct iovec *vectors;
    address_storage *addresses;
    control_storage *controls;
};

dx_batch *dx_batch_create(unsigned capacity) {
    dx_batch *batch = calloc(1, sizeof *batch);
    if (!batch) return NULL;
    batch->capacity = capacity;
    batch->messages = calloc(capacity, sizeof *batch->messages);
    batch->vectors = calloc(capacity, sizeof *batch->vectors);
    batch->addresses = calloc(capacity, sizeof *batch->addresses);
    batch->controls = calloc(capacity, sizeof *batch->controls);
    if (!batch->messages || !batch->vectors || !batch->addresses || !batch->controls) {
        dx_batch_destroy(batch);
        return NULL;
    }
    return batch;
}

void dx_batch_destroy(dx_batch *batch) {
    if (!batch) return;
    free(batch->messages);
    free(batch->vectors);
    free(batch->addresses);
    free(batch->controls);
    free(batch);
}

static void store_v6(struct in6_addr *address, uint64_t high, uint64_t low) {
    uint64_t words[2] = {__builtin_bswap64(high), __builtin_bswap64(low)};
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    words[0] = high;
    words[1] = low;
#endif
    memcpy(address, words, sizeof words);
}

static socklen_t store_address(address_storage *storage, const dx_message *message) {
    if (message->is_v6) {
        memset(&storage->v6, 0, sizeof storage->v6);
        storage->v6.sin6_family = AF_INET6;
        storage->v6.sin6_port = htons(message->port);
        storage->v6.sin6_scope_id = message->scope;
        store_v6(&storage->v6.sin6_addr, message->high, message->low);
        return sizeof storage->v6;
    }
    memset(&storage->v4, 0, sizeof storage->v4);
    storage->v4.sin_family = AF_INET;
    storage->v4.sin_port = htons(message->port);
    storage->v4.sin_addr.s_addr = htonl((uint32_t)message->low);
    return sizeof storage->v4;
}

// Appends one control message at `offset` and returns the offset after it.
static size_t add_control(control_storage *storage, size_t offset, int level, int type, const void *data, size_t size) {
    struct cmsghdr *header = (struct cmsghdr *)(storage->bytes + offset);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), data, size);
    return offset + CMSG_SPACE(size);
}

void dx_batch_set(dx_batch *batch, unsigned index, const dx_message *message) {
    if (index >= batch->capacity) abort();  // a bug of the caller; memory must not be overwritten
    struct msghdr *header = &batch->messages[index].msg_hdr;
    control_storage *control = &batch->controls[index];

    batch->vectors[index].iov_base = (void *)message->bytes;
    batch->vectors[index].iov_len = message->byte_count;
    header->msg_iov = &batch->vectors[index];
    header->msg_iovlen = 1;
    header->msg_name = &batch->addresses[index];
    header->msg_namelen = store_address(&batch->addresses[index], message);
    header->msg_flags = 0;

    size_t used = 0;
    // With an interface the kernel takes only the routes through it, whatever others there are (ip(7)); for IPv6 only as long as it
    // may choose the address, too (ip6_route_output_flags of Linux), which is then one of that interface.
    bool is_pinned = message->has_source || message->interface;
    if (is_pinned && message->is_v6) {
        struct in6_pktinfo info = {.ipi6_ifindex = message->interface ? message->interface : message->source_scope};
        if (!message->interface) store_v6(&info.ipi6_addr, message->source_high, message->source_low);
        used = add_control(control, used, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    } else if (is_pinned) {
        struct in_pktinfo info = {
            .ipi_ifindex = (int)message->interface,
            .ipi_spec_dst.s_addr = htonl((uint32_t)message->source_low),
        };
        used = add_control(control, used, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
    if (message->ecn) {
        int mark = message->ecn;
        used = message->is_v6 ? add_control(control, used, IPPROTO_IPV6, IPV6_TCLASS, &mark, sizeof mark)
                              : add_control(control, used, IPPROTO_IP, IP_TOS, &mark, sizeof mark);
    }
    if (message->segment_size) {
        used = add_control(control, used, SOL_UDP, UDP_SEGMENT, &message->segment_size, sizeof message->segment_size);
    }
    header->msg_control = used ? control->bytes : NULL;
    header->msg_controllen = used;
}

int dx_batch_send(dx_batch *batch, int socket, unsigned first, unsigned count) {
    if (first >= batch->capacity || count == 0 || count > batch->capacity - first) abort();
    for (;;) {
        int sent = sendmmsg(socket, batch->messages + first, count, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) return sent;
        if (sent == 0) return -EIO;  // cannot happen with count above 0; an error rather than an endless loop
        if (errno != EINTR) return -errno;
    }
}

int dx_udp_send(int socket, const dx_message *message, bool is_connected) {
    struct mmsghdr header = {0};
    struct iovec vector;
    address_storage address;
    control_storage control;
    dx_batch batch = {
        .capacity = 1, .messages = &header, .vectors = &vector, .addresses = &address, .controls = &control};
    dx_batch_set(&batch, 0, message);
    if (is_connected) {
        header.msg_hdr.msg_name = NULL;
        header.msg_hdr.msg_namelen = 0;
    }
    for (;;) {
        if (sendmsg(socket, &header.msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
        if (errno != EINTR) return -errno;
    }
}
