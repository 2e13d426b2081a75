#pragma once
// DEFLATE (RFC 1951) by the host's zlib, without header and checksum. Its initialisers are macros.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One direction of one connection, compressing or decompressing. About 64 KiB, or 16 KiB.
typedef struct dx_deflate dx_deflate;

// NULL when out of memory.
dx_deflate *dx_deflate_create(bool compresses);
void dx_deflate_destroy(dx_deflate *codec);

// What a step did.
typedef struct dx_deflate_step {
    size_t used;     // bytes of the input taken
    size_t made;     // bytes of the output written
    bool is_broken;  // the input is no DEFLATE, or ends the stream, which a connection's bytes never do: no further steps
} dx_deflate_step;

// Takes input and writes output, at most `capacity` bytes. When output is left room, all of the input is taken, and nothing that was taken
// is held back: what was compressed ends with a flush.
dx_deflate_step dx_deflate_run(
    dx_deflate *codec, const uint8_t *input, size_t count, uint8_t *output, size_t capacity);
