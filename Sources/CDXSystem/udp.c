#define _GNU_SOURCE
#include "CDXSystem.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif

static int set_integer(int socket, int level, int name, int value) {
    return setsockopt(socket, level, name, &value, sizeof value) == 0 ? 0 : -errno;
}

int dx_udp_open(bool is_v6) {
    int family = is_v6 ? AF_INET6 : AF_INET;
    int descriptor = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (descriptor < 0) return -errno;
    int result = 0;
    if (is_v6) result = set_integer(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (result == 0) {
        result = is_v6 ? set_integer(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE)
                       : set_integer(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    }
    if (result < 0) {
        close(descriptor);
        return result;
    }
    return descriptor;
}

int dx_udp_bind(int socket, const dx_message *local) {
    if (local->is_v6) {
        struct sockaddr_in6 address = {
            .sin6_family = AF_INET6, .sin6_port = htons(local->port), .sin6_scope_id = local->scope};
        for (int i = 0; i < 8; i++) {
            address.sin6_addr.s6_addr[i] = (uint8_t)(local->high >> (56 - 8 * i));
            address.sin6_addr.s6_addr[8 + i] = (uint8_t)(local->low >> (56 - 8 * i));
        }
        return bind(socket, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : -errno;
    }
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(local->port), .sin_addr.s_addr = htonl((uint32_t)local->low)};
    return bind(socket, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : -errno;
}

int dx_udp_share(int socket) { return set_integer(socket, SOL_SOCKET, SO_REUSEPORT, 1); }

int dx_udp_steer(int socket, unsigned count) {
    // The kernel runs it on the UDP payload; an index beyond the sockets makes it choose by the addresses instead.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    if (count == 0) return -EINVAL;
    int result = setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
    return result == 0 ? 0 : -errno;
}

int dx_udp_port(int socket, bool is_v6) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t size = sizeof address;
    if (getsockname(socket, &address.any, &size) != 0) return -errno;
    return ntohs(is_v6 ? address.v6.sin6_port : address.v4.sin_port);
}

static int ask_for_buffer(int socket, int forced, int plain, int bytes) {
    int got = 0;
    socklen_t size = sizeof got;
    if (set_integer(socket, SOL_SOCKET, forced, bytes) < 0) set_integer(socket, SOL_SOCKET, plain, bytes);
    if (getsockopt(socket, SOL_SOCKET, plain, &got, &size) != 0) return -errno;
    return got;
}

int dx_udp_receive_buffer(int socket, int bytes) {
    return ask_for_buffer(socket, SO_RCVBUFFORCE, SO_RCVBUF, bytes);
}

int dx_udp_send_buffer(int socket, int bytes) {
    return ask_for_buffer(socket, SO_SNDBUFFORCE, SO_SNDBUF, bytes);
}

bool dx_udp_can_segment(int socket) {
    int size = 0;
    socklen_t length = sizeof size;
    return getsockopt(socket, SOL_UDP, UDP_SEGMENT, &size, &length) == 0;
}
