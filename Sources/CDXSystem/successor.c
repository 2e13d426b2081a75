#define _GNU_SOURCE
#include "CDXSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

// Descriptors in one message; the kernel takes 253.
enum { most_descriptors = 200 };
// Where the other program finds its end of the pair.
enum { inherited = 3 };

int dx_successor_start(const char *path, const char *const *argv, const char *const *envp, int descriptor) {
    pid_t child = fork();
    if (child < 0) return -errno;
    if (child > 0) return child;
    // Between fork and exec only calls that are safe there (signal-safety(7)).
    // dup2 onto itself would leave close-on-exec as it is.
    int moved = descriptor == inherited ? fcntl(inherited, F_SETFD, 0) : dup2(descriptor, inherited);
    if (moved < 0) _exit(126);
    close_range(inherited + 1, ~0U, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    execve(path, (char *const *)argv, (char *const *)envp);
    _exit(127);
}

int dx_successor_ended(int process, int *status) {
    int found = 0;
    pid_t result;
    do { result = waitpid(process, &found, WNOHANG); } while (result < 0 && errno == EINTR);
    if (result < 0) return -errno;
    if (result == 0) return 0;
    *status = WIFEXITED(found) ? WEXITSTATUS(found) : 128 + WTERMSIG(found);
    return 1;
}

int dx_message_pair(int descriptors[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, descriptors) == 0 ? 0 : -errno;
}

// Waits until the socket can do what `events` says. 0 or a negative errno.
static int wait_for(int socket, short events, int timeout_ms) {
    struct pollfd wait = {.fd = socket, .events = events};
    int ready;
    do { ready = poll(&wait, 1, timeout_ms); } while (ready < 0 && errno == EINTR);
    return ready < 0 ? -errno : ready == 0 ? -ETIMEDOUT : 0;
}

int dx_message_send(int socket, const void *bytes, size_t byte_count, const int *descriptors, size_t count, int timeout_ms) {
    if (count > most_descriptors) return -EMSGSIZE;
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = byte_count};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(most_descriptors * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
    }
    while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return -errno;
        int result = wait_for(socket, POLLOUT, timeout_ms);
        if (result != 0) return result;
    }
    return 0;
}

long dx_message_receive(
    int socket, void *bytes, size_t capacity, int *descriptors, size_t descriptor_capacity, size_t *count, int timeout_ms) {
    *count = 0;
    struct iovec part = {.iov_base = bytes, .iov_len = capacity};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(most_descriptors * sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    ssize_t got;
    while ((got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return -errno;
        int result = wait_for(socket, POLLIN, timeout_ms);
        if (result != 0) return result;
    }
    bool fits = !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t found = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < found; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
            if (fits && *count < descriptor_capacity) {
                descriptors[(*count)++] = descriptor;
            } else {
                close(descriptor);
                fits = false;
            }
        }
    }
    if (fits) return got;
    for (size_t i = 0; i < *count; i++) close(descriptors[i]);
    *count = 0;
    return -EMSGSIZE;
}
