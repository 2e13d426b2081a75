#define _GNU_SOURCE
#include "CTestSupport.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int on_loopback(unsigned long request, int flags, int mtu) {
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    struct ifreq interface;
    memset(&interface, 0, sizeof interface);
    strcpy(interface.ifr_name, "lo");
    if (request == SIOCSIFMTU) interface.ifr_mtu = mtu;
    else interface.ifr_flags = (short)flags;
    int result = ioctl(descriptor, request, &interface) == 0 ? 0 : -errno;
    close(descriptor);
    return result;
}

int dx_set_loopback_mtu(int mtu) { return on_loopback(SIOCSIFMTU, 0, mtu); }

int dx_enter_private_network(int mtu) {
    if (unshare(CLONE_NEWNET) != 0) return -errno;
    int result = on_loopback(SIOCSIFFLAGS, IFF_UP | IFF_RUNNING, 0);
    return result < 0 ? result : dx_set_loopback_mtu(mtu);
}

int dx_shell(const char *command) {
    int status = system(command);  // the child inherits this thread's network namespace
    return status >= 0 && (status & 0x7f) == 0 ? status >> 8 : -1;
}

int dx_limit_loopback_rate(int megabits_per_second) {
    char command[128];
    snprintf(command, sizeof command, "tc qdisc add dev lo root tbf rate %dmbit burst 64k limit 8m 2>/dev/null",
             megabits_per_second);
    return system(command) == 0 ? 0 : -ENOSYS;  // the child inherits this thread's network namespace
}

int dx_own_file_mode_mask(void) { return unshare(CLONE_FS) ? -errno : 0; }
