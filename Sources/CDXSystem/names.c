#include <netinet/in.h>
#include <arpa/nameser.h>
#include <resolv.h>
#include <string.h>

#include "CDXSystem.h"

int dx_srv_read(const uint8_t *answer, size_t byte_count, dx_srv *found, int capacity) {
    ns_msg message;
    if (byte_count > NS_MAXMSG || ns_initparse(answer, (int)byte_count, &message) != 0) return -1;
    int count = 0;
    for (int index = 0; index < ns_msg_count(message, ns_s_an) && count < capacity; index++) {
        ns_rr record;
        if (ns_parserr(&message, ns_s_an, index, &record) != 0) return -1;
        // What a name stands for (CNAME) comes in the same answer.
        if (ns_rr_type(record) != ns_t_srv || ns_rr_class(record) != ns_c_in) continue;
        const uint8_t *data = ns_rr_rdata(record);
        // Three numbers and a name of one byte at least.
        if (ns_rr_rdlen(record) < 7) continue;
        dx_srv *next = &found[count];
        memset(next, 0, sizeof *next);
        next->priority = (uint16_t)ns_get16(data);
        next->weight = (uint16_t)ns_get16(data + 2);
        next->port = (uint16_t)ns_get16(data + 4);
        if (ns_name_uncompress(ns_msg_base(message), ns_msg_end(message), data + 6, next->target, sizeof next->target) < 0) {
            continue;
        }
        count++;
    }
    return count;
}

int dx_srv_look_up(const char *name, dx_srv *found, int capacity) {
    // As much as 32 records with names that do not shorten one another take; what is longer has none that count.
    uint8_t answer[16384];
    struct __res_state state;
    memset(&state, 0, sizeof state);
    if (res_ninit(&state) != 0) return -1;
    int byte_count = res_nquery(&state, name, ns_c_in, ns_t_srv, answer, sizeof answer);
    res_nclose(&state);
    if (byte_count < 0 || (size_t)byte_count > sizeof answer) return -1;
    return dx_srv_read(answer, (size_t)byte_count, found, capacity);
}
