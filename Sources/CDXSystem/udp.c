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

int dx_udp_open_fragmenting(bool is_v6) {
    int descriptor = dx_udp_open(is_v6);
    if (descriptor < 0) return descriptor;
    int result = is_v6 ? set_integer(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT)
                       : set_integer(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    if (result == 0) return descriptor;
    close(descriptor);
    return result;
}

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address_t;

static uint64_t read_half(const uint8_t *bytes) {
    uint64_t half = 0;
    for (int i = 0; i < 8; i++) half = half << 8 | bytes[i];
    return half;
}

// Writes the address and port of `message`; returns the size.
static socklen_t write_address(address_t *address, const dx_message *message) {
    memset(address, 0, sizeof *address);
    if (!message->is_v6) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(message->port);
        address->v4.sin_addr.s_addr = htonl((uint32_t)message->low);
        return sizeof address->v4;
    }
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons(message->port);
    address->v6.sin6_scope_id = message->scope;
    for (int i = 0; i < 8; i++) {
        address->v6.sin6_addr.s6_addr[i] = (uint8_t)(message->high >> (56 - 8 * i));
        address->v6.sin6_addr.s6_addr[8 + i] = (uint8_t)(message->low >> (56 - 8 * i));
    }
    return sizeof address->v6;
}

int dx_udp_bind(int socket, const dx_message *local) {
    address_t address;
    socklen_t size = write_address(&address, local);
    return bind(socket, &address.any, size) == 0 ? 0 : -errno;
}

int dx_udp_connect(int socket, const dx_message *remote) {
    address_t address = {.any.sa_family = AF_UNSPEC};
    socklen_t size = remote ? write_address(&address, remote) : sizeof address.any;
    return connect(socket, &address.any, size) == 0 ? 0 : -errno;
}

int dx_udp_source(const dx_message *destination, dx_message *source) {
    address_t address;
    socklen_t size = write_address(&address, destination);
    int descriptor = dx_udp_open(destination->is_v6);
    if (descriptor < 0) return descriptor;
    // Connecting a UDP socket looks up the route and sends nothing.
    int result = connect(descriptor, &address.any, size);
    size = sizeof address;
    if (result == 0) result = getsockname(descriptor, &address.any, &size);
    if (result != 0) result = -errno;
    close(descriptor);
    if (result != 0) return result;
    memset(source, 0, sizeof *source);
    source->is_v6 = destination->is_v6;
    if (!destination->is_v6) {
        source->low = ntohl(address.v4.sin_addr.s_addr);
        return 0;
    }
    source->high = read_half(address.v6.sin6_addr.s6_addr);
    source->low = read_half(address.v6.sin6_addr.s6_addr + 8);
    source->scope = address.v6.sin6_scope_id;
    return 0;
}

static void write_half(uint8_t *bytes, uint64_t half) {
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(half >> (56 - 8 * i));
}

int dx_udp_open_multicast(bool is_v6, uint16_t port) {
    int descriptor = dx_udp_open(is_v6);
    if (descriptor < 0) return descriptor;
    int result = set_integer(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    // Else whatever any program of this host has joined comes here, too.
    if (result == 0 && !is_v6) result = set_integer(descriptor, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    dx_message local = {.port = port, .is_v6 = is_v6};
    if (result == 0) result = dx_udp_bind(descriptor, &local);
    if (result == 0) return descriptor;
    close(descriptor);
    return result;
}

int dx_udp_join(int socket, bool is_v6, uint64_t high, uint64_t low, unsigned interface_index) {
    int result;
    if (is_v6) {
        struct ipv6_mreq request = {.ipv6mr_interface = interface_index};
        write_half(request.ipv6mr_multiaddr.s6_addr, high);
        write_half(request.ipv6mr_multiaddr.s6_addr + 8, low);
        result = setsockopt(socket, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request);
    } else {
        struct ip_mreqn request = {.imr_multiaddr.s_addr = htonl((uint32_t)low), .imr_ifindex = (int)interface_index};
        result = setsockopt(socket, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
    }
    return result == 0 || errno == EADDRINUSE ? 0 : -errno;
}

int dx_udp_share(int socket) { return set_integer(socket, SOL_SOCKET, SO_REUSEPORT, 1); }

int dx_udp_steer(int socket, unsigned loops, unsigned stripes) {
    if (loops == 0 || stripes == 0) return -EINVAL;
    // The kernel runs it on the UDP payload; what ends before a byte that is asked for goes to the first socket. An index
    // beyond the sockets makes the kernel choose by the addresses.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, loops),
        BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, stripes),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x80, 2, 0),
        BPF_STMT(BPF_MISC | BPF_TXA, 0),
        BPF_STMT(BPF_RET | BPF_A, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, stripes - 1),
        BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    int result = setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
    return result == 0 ? 0 : -errno;
}

int dx_udp_port(int socket, bool is_v6) {
    address_t address;
    socklen_t size = sizeof address;
    if (getsockname(socket, &address.any, &size) != 0) return -errno;
    return ntohs(is_v6 ? address.v6.sin6_port : address.v4.sin_port);
}

int dx_udp_local(int socket, dx_message *local) {
    address_t address;
    socklen_t size = sizeof address;
    if (getsockname(socket, &address.any, &size) != 0) return -errno;
    memset(local, 0, sizeof *local);
    if (address.any.sa_family == AF_INET) {
        local->low = ntohl(address.v4.sin_addr.s_addr);
        local->port = ntohs(address.v4.sin_port);
        return 0;
    }
    if (address.any.sa_family != AF_INET6) return -EAFNOSUPPORT;
    local->is_v6 = true;
    local->high = read_half(address.v6.sin6_addr.s6_addr);
    local->low = read_half(address.v6.sin6_addr.s6_addr + 8);
    local->port = ntohs(address.v6.sin6_port);
    local->scope = address.v6.sin6_scope_id;
    return 0;
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
