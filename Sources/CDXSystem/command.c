#define _GNU_SOURCE
#include "CDXSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// The user and group of nobody, on Debian as elsewhere.
enum { nobody = 65534 };
// How often it is looked whether the program has ended, in milliseconds.
enum { look_interval = 20 };

// What the child does between fork and exec: only calls that are safe there (signal-safety(7)).
static void become(const char *const *argv, const char *const *envp, int output) {
    setsid();
    int nothing = open("/dev/null", O_RDWR);
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) _exit(126);
    close_range(3, ~0U, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    struct rlimit core = {0, 0};
    setrlimit(RLIMIT_CORE, &core);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(126);
    if (geteuid() == 0) {
        if (setgroups(0, NULL) != 0 || setresgid(nobody, nobody, nobody) != 0
            || setresuid(nobody, nobody, nobody) != 0)
            _exit(126);
    }
    if (chdir("/") != 0) _exit(126);
    execve(argv[0], (char *const *)argv, (char *const *)envp);
    _exit(127);
}

static int64_t milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Takes what the program says: the first `capacity` bytes are kept, the rest is read and forgotten.
static void take_output(int descriptor, char *output, size_t capacity, size_t *count) {
    char chunk[4096];
    // A program that never stops talking must not keep this thread from looking at the clock.
    for (int turn = 0; turn < 64; turn++) {
        ssize_t got = read(descriptor, chunk, sizeof chunk);
        if (got <= 0) return;
        for (ssize_t i = 0; i < got && *count < capacity; i++) output[(*count)++] = chunk[i];
    }
}

int dx_command_run(
    const char *const *argv, const char *const *envp, int timeout_ms, char *output, size_t capacity, size_t *count) {
    *count = 0;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    pid_t child = fork();
    if (child < 0) {
        int error = errno;
        close(ends[0]);
        close(ends[1]);
        return -error;
    }
    if (child == 0) become(argv, envp, ends[1]);
    close(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    int64_t end = milliseconds() + timeout_ms;
    int status = 0;
    int result = -ETIMEDOUT;
    while (milliseconds() < end) {
        struct pollfd wait = {.fd = ends[0], .events = POLLIN};
        int ready = poll(&wait, 1, look_interval);
        if (ready > 0 && (wait.revents & POLLIN)) take_output(ends[0], output, capacity, count);
        // Its output has ended: it is about to end itself, or never will.
        if (ready > 0 && !(wait.revents & POLLIN)) usleep(1000);
        // Its number stays its own until it is waited for below.
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child) {
            take_output(ends[0], output, capacity, count);
            result = 0;
            break;
        }
    }
    // What it started and left behind goes with it.
    kill(-child, SIGKILL);
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    close(ends[0]);
    if (result == 0) result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return result;
}
