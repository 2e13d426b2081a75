#pragma once
// One wildcard socket that is a million addresses: datagrams with the address of this host that they came to.

#include <stdint.h>

// A datagram that came. Addresses in host order; `bytes` stay until the next call of ml_receive.
typedef struct ml_datagram {
    const uint8_t *bytes;
    uint32_t byte_count;
    uint32_t to;
    uint32_t from;
    uint16_t from_port;
} ml_datagram;

// Memory for a batch, allocated once and used again.
typedef struct ml_reader ml_reader;

// Room for `slots` datagrams of at most `slot_bytes` bytes. NULL when out of memory.
ml_reader *ml_reader_create(unsigned slots, unsigned slot_bytes);

// Has the kernel say of each datagram to which address it came. 0 or a negative errno.
int ml_tell_addresses(int socket);

// What waits, at most as many as there are slots, into `datagrams`; without waiting. The number, or a negative errno.
int ml_receive(ml_reader *reader, int socket, ml_datagram *datagrams);

// Waits until something can be read, or written when `writes`, at most so many nanoseconds.
void ml_wait(int socket, int writes, int64_t nanoseconds);
