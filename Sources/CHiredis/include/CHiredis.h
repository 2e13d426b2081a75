// hiredis, Debian's client library of Redis (0.14 and newer), as one connection that sends and reads bytes. Only dxmatchd
// links it.
#pragma once

#include <hiredis/hiredis.h>
#include <stddef.h>

// Connects to a host (a name or an address) and port within `milliseconds`, which are also the limit of each later wait. NULL
// when it cannot; then the reason is in `problem`. Owned by the caller: free with redisFree.
redisContext *dx_redis_connect(const char *host, int port, int milliseconds, char *problem, size_t capacity);
// Whether the reader holds a whole reply that is not taken yet is only known by asking: the next one, or NULL when there is none
// (`*failed` is 0) or the bytes are none (`*failed` is 1). Reads nothing. Owned by the caller: free with freeReplyObject.
redisReply *dx_redis_buffered(redisContext *context, int *failed);
// Reads once what has come. 0 when the connection is over.
int dx_redis_read(redisContext *context);
