#include "CZlib.h"

#include <stdlib.h>
#include <zlib.h>

// 8 KiB: a compressor needs (1 << (bits + 2)) + (1 << (level + 9)) bytes, which is 64 KiB with a memory level of 6 (zconf.h). Both ends use the
// same, so no distance is longer.
#define WINDOW_BITS 13
#define MEMORY_LEVEL 6

struct dx_deflate {
    z_stream stream;
    bool compresses;
};

dx_deflate *dx_deflate_create(bool compresses) {
    dx_deflate *codec = calloc(1, sizeof *codec);
    if (codec == NULL) return NULL;
    codec->compresses = compresses;
    // Negative bits: without header and checksum, as DTLS has one. What a higher level saves costs several times the time on the event loop.
    int result = compresses
                     ? deflateInit2(&codec->stream, Z_BEST_SPEED, Z_DEFLATED, -WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY)
                     : inflateInit2(&codec->stream, -WINDOW_BITS);
    if (result == Z_OK) return codec;
    free(codec);
    return NULL;
}

void dx_deflate_destroy(dx_deflate *codec) {
    if (codec == NULL) return;
    if (codec->compresses) {
        deflateEnd(&codec->stream);
    } else {
        inflateEnd(&codec->stream);
    }
    free(codec);
}

dx_deflate_step dx_deflate_run(
    dx_deflate *codec, const uint8_t *input, size_t count, uint8_t *output, size_t capacity) {
    z_stream *stream = &codec->stream;
    stream->next_in = (Bytef *)input;
    stream->avail_in = (uInt)count;
    stream->next_out = output;
    stream->avail_out = (uInt)capacity;
    int result = codec->compresses ? deflate(stream, Z_SYNC_FLUSH) : inflate(stream, Z_SYNC_FLUSH);
    dx_deflate_step step = {.used = count - stream->avail_in, .made = capacity - stream->avail_out};
    // Z_BUF_ERROR: nothing was to be done.
    step.is_broken = result != Z_OK && result != Z_BUF_ERROR;
    stream->next_in = NULL;
    stream->next_out = NULL;
    return step;
}
