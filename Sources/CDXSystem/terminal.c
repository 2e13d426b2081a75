#define _GNU_SOURCE
#include "CDXSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timex.h>
#include <termios.h>
#include <unistd.h>

// The other screen, cursor hidden, no wrapping of what is too long; and all of it back.
static const char enter[] = "\033[?1049h\033[?25l\033[?7l\033[2J";
static const char leave[] = "\033[?7h\033[?25h\033[?1049l";

// Whoever exchanges it for false gives the terminal back: an end that comes while another one does so must not do it a second time.
static atomic_bool is_taken;
static struct termios before;
static int input_descriptor, output_descriptor, wake_pipe[2] = {-1, -1};

// What ends a process, from outside and from within. SIGTSTP is not among them: in raw mode no key makes it.
static const int ends[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT, SIGALRM, SIGXCPU};
enum { END_COUNT = sizeof ends / sizeof ends[0] };
// These happen to a thread at what it executes: blocked, they would end the process at once, with the terminal as it is.
static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT};
static struct sigaction before_ends[END_COUNT], before_size, before_continue;

int dx_terminal_size(int descriptor, unsigned *columns, unsigned *rows) {
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) != 0) return -errno;
    if (size.ws_col == 0 || size.ws_row == 0) return -ENOTTY;
    *columns = size.ws_col;
    *rows = size.ws_row;
    return 0;
}

// What cannot be written now is lost: there is nobody to tell.
static void say(int descriptor, const char *text, size_t count) {
    while (count > 0) {
        ssize_t written = write(descriptor, text, count);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        text += written;
        count -= (size_t)written;
    }
}

void dx_terminal_give_back(void) {
    if (!atomic_exchange(&is_taken, false)) return;
    int error = errno;
    // Setting modes from the background stops a process, unless it will not hear of it.
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    sigaction(SIGTTOU, &ignore, &old);
    say(output_descriptor, leave, sizeof leave - 1);
    tcsetattr(input_descriptor, TCSANOW, &before);
    sigaction(SIGTTOU, &old, NULL);
    for (int index = 0; index < END_COUNT; index++) sigaction(ends[index], &before_ends[index], NULL);
    sigaction(SIGWINCH, &before_size, NULL);
    sigaction(SIGCONT, &before_continue, NULL);
    errno = error;
}

// Gives the terminal back and leaves the rest to the handler that was there before. Of an end that comes while another thread gives it back
// that handler may not be in place yet: without it the raise would come here again, and again.
static void on_end(int number) {
    dx_terminal_give_back();
    for (int index = 0; index < END_COUNT; index++) {
        if (ends[index] == number) sigaction(number, &before_ends[index], NULL);
    }
    raise(number);
}

static int show(void) {
    struct termios raw = before;
    cfmakeraw(&raw);
    if (tcsetattr(input_descriptor, TCSANOW, &raw) != 0) return -errno;
    say(output_descriptor, enter, sizeof enter - 1);
    return 0;
}

// The process was stopped (SIGSTOP, which it cannot hear of), and the shell made the terminal its own meanwhile.
static void on_continue(int number) {
    (void)number;
    int error = errno;
    if (atomic_load(&is_taken)) {
        // In the background it would be stopped for this again.
        if (tcgetpgrp(input_descriptor) == getpgrp()) show();
        dx_terminal_wake();
    }
    errno = error;
}

static void on_size(int number) {
    (void)number;
    dx_terminal_wake();
}

int dx_terminal_take(int input, int output) {
    if (atomic_load(&is_taken)) return -EBUSY;
    if (wake_pipe[0] < 0 && pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
    if (tcgetattr(input, &before) != 0) return -errno;
    input_descriptor = input;
    output_descriptor = output;
    // SA_NODEFER: raise() in the handler has to be heard at once, before a fault happens a second time. Other ends wait meanwhile.
    struct sigaction action = {.sa_handler = on_end, .sa_flags = SA_NODEFER};
    sigfillset(&action.sa_mask);
    for (size_t index = 0; index < sizeof faults / sizeof faults[0]; index++) sigdelset(&action.sa_mask, faults[index]);
    for (int index = 0; index < END_COUNT; index++) sigaction(ends[index], NULL, &before_ends[index]);
    sigaction(SIGWINCH, NULL, &before_size);
    sigaction(SIGCONT, NULL, &before_continue);
    atomic_store(&is_taken, true);
    for (int index = 0; index < END_COUNT; index++) {
        // What does not end the process must not take the terminal from it either (nohup).
        if (before_ends[index].sa_handler != SIG_IGN) sigaction(ends[index], &action, NULL);
    }
    struct sigaction size = {.sa_handler = on_size, .sa_flags = SA_RESTART};
    sigaction(SIGWINCH, &size, NULL);
    struct sigaction again = {.sa_handler = on_continue, .sa_flags = SA_RESTART};
    sigaction(SIGCONT, &again, NULL);
    int result = show();
    if (result != 0) dx_terminal_give_back();
    return result;
}

int dx_terminal_wait(int timeout_ms, uint8_t *bytes, size_t capacity) {
    struct pollfd waits[2] = {{.fd = input_descriptor, .events = POLLIN}, {.fd = wake_pipe[0], .events = POLLIN}};
    int ready = poll(waits, 2, timeout_ms);
    if (ready <= 0) return ready == 0 || errno == EINTR ? 0 : -1;
    uint8_t drain[64];
    while (read(wake_pipe[0], drain, sizeof drain) > 0) {}
    if (waits[0].revents == 0) return 0;
    ssize_t count = read(input_descriptor, bytes, capacity);
    if (count > 0) return (int)count;
    return count < 0 && (errno == EINTR || errno == EAGAIN) ? 0 : -1;
}

void dx_terminal_wake(void) {
    int error = errno;
    // A full pipe wakes as well.
    ssize_t written = write(wake_pipe[1], "", 1);
    (void)written;
    errno = error;
}

int dx_clock_facts(bool *is_synchronised, int64_t *error_us) {
    struct timex facts;
    memset(&facts, 0, sizeof facts);
    int state = adjtimex(&facts);
    if (state < 0) return -errno;
    *is_synchronised = state != TIME_ERROR && (facts.status & STA_UNSYNC) == 0;
    *error_us = facts.maxerror;
    return 0;
}
