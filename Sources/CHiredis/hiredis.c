#include "CHiredis.h"

#include <stdio.h>
#include <sys/time.h>

redisContext *dx_redis_connect(const char *host, int port, int milliseconds, char *problem, size_t capacity) {
    struct timeval limit = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
    redisContext *context = redisConnectWithTimeout(host, port, limit);
    if (context && !context->err && redisSetTimeout(context, limit) == REDIS_OK) {
        // A peer that is gone without a word is noticed within some minutes at the latest.
        redisEnableKeepAlive(context);
        return context;
    }
    snprintf(problem, capacity, "%s", context ? context->errstr : "out of memory");
    if (context) redisFree(context);
    return NULL;
}

redisReply *dx_redis_buffered(redisContext *context, int *failed) {
    void *reply = NULL;
    *failed = redisGetReplyFromReader(context, &reply) != REDIS_OK;
    return reply;
}

int dx_redis_read(redisContext *context) { return redisBufferRead(context) == REDIS_OK; }
