#pragma once
// What tests need from the C library and the kernel and can not express in Swift.

#include <stdint.h>

// Allocations (malloc, calloc, realloc, aligned ones) that the calling thread has made since it began. Linking this
// target puts counting wrappers in front of the C library's allocator in the whole test program. Always 0 under the
// address sanitizer, which has wrappers of its own.
uint64_t dx_allocations_of_this_thread(void);

// Moves the calling thread into a new network namespace that has only a loopback interface, up, with `mtu`. What the
// thread opens from then on lives there; nothing sent there can leave the machine. The thread can not go back: let it
// end. Needs CAP_SYS_ADMIN. 0 or a negative errno.
int dx_enter_private_network(int mtu);

// Gives the calling thread a file mode creation mask (and a working directory) of its own, for good: what it sets is not
// that of files which other threads make. 0 or a negative errno.
int dx_own_file_mode_mask(void);

// Changes the loopback interface's MTU in the calling thread's network namespace. 0 or a negative errno.
int dx_set_loopback_mtu(int mtu);

// Runs a shell command in the calling thread's network namespace; its exit status, or -1.
int dx_shell(const char *command);

// Limits what the loopback of the calling thread's network namespace carries to `megabits_per_second` (tbf, 8 MB of
// queue), so that a socket's send buffer can fill. Needs the program tc. 0 or a negative errno.
int dx_limit_loopback_rate(int megabits_per_second);
