#pragma once
// System calls and macros that Swift cannot express: batches of datagrams with control messages.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

// One message of a batch: a datagram, or a run of datagrams of equal size (the last may be shorter) that lie one after
// the other in memory and that the kernel cuts apart (UDP_SEGMENT). Addresses are numbers in host order, as in
// DXWire's Endpoint: IPv4 in the low 32 bits of `low`.
typedef struct dx_message {
    const void *bytes;
    uint64_t high, low;                // destination
    uint64_t source_high, source_low;  // source, when has_source
    uint32_t scope, source_scope;      // interface index of link-local IPv6 addresses, or 0
    uint32_t interface;                // it leaves through that one, and by IPv6 from any address of it; 0: as routed
    uint32_t byte_count;
    uint16_t port;
    uint16_t segment_size;             // 0: one datagram
    uint8_t ecn;                       // 0 to 3
    bool is_v6;
    bool has_source;
} dx_message;

// Memory for the headers of a batch, allocated once and used again.
typedef struct dx_batch dx_batch;

// Room for `capacity` messages (at least 1). NULL when out of memory.
dx_batch *dx_batch_create(unsigned capacity);
void dx_batch_destroy(dx_batch *batch);

// Fills in message `index`, which must be below the capacity. The bytes are not copied.
void dx_batch_set(dx_batch *batch, unsigned index, const dx_message *message);

// sendmmsg of messages first to first+count-1, without waiting. Returns how many the kernel took (at least 1), or the
// negative errno with which it refused the first one. An interrupted call is made again.
int dx_batch_send(dx_batch *batch, int socket, unsigned first, unsigned count);

// Opens a UDP socket that does not block and is closed on exec: is_v6 for IPv6 alone (IPV6_V6ONLY). DF is set on all
// it sends, and the kernel's own path MTU is ignored (PMTUDISC_PROBE). Returns the descriptor or a negative errno.
int dx_udp_open(bool is_v6);

// Binds to the address and port of `local` (only high, low, scope, port, is_v6 are used). 0 or a negative errno.
int dx_udp_bind(int socket, const dx_message *local);

// The address that the kernel would send from to `destination` (the same fields), with port 0. 0 or a negative errno.
int dx_udp_source(const dx_message *destination, dx_message *source);

// Lets other sockets of the same user bind the same address and port (SO_REUSEPORT); before binding. 0 or a negative errno.
int dx_udp_share(int socket);

// Opens a UDP socket as dx_udp_open does, bound to `port` of all addresses beside others that did the same (SO_REUSEADDR), so that
// each gets what is sent to multicast groups that it joined. Returns the descriptor or a negative errno.
int dx_udp_open_multicast(bool is_v6, uint16_t port);

// Joins a multicast group (in host order, as in dx_message) on the interface of that index. 0, also when it has joined already, or a
// negative errno.
int dx_udp_join(int socket, bool is_v6, uint64_t high, uint64_t low, unsigned interface_index);

// Says to which of the sockets that share an address and port, counted in the order of binding, the kernel gives a
// datagram. There are `stripes` (a power of two) in a row for each of `loops`. The first byte, modulo `loops`, says which
// row. A fragment (highest bit of byte 8) goes to the socket of the row that byte 13 names, without its lowest 4 bits and
// modulo `stripes`; all else goes to the first one. 0 or a negative errno.
int dx_udp_steer(int socket, unsigned loops, unsigned stripes);

// Opens a UDP socket towards applications: as dx_udp_open, but what is larger than the path's MTU goes in fragments, whatever
// the kernel knows of that path (PMTUDISC_DONT). Returns the descriptor or a negative errno.
int dx_udp_open_fragmenting(bool is_v6);

// Connects the socket to an address and port, or to none again when `remote` is NULL. A socket gets datagrams of nobody else than
// of whom it is connected to; senders of others learn that nobody is there (ICMP). 0 or a negative errno.
int dx_udp_connect(int socket, const dx_message *remote);

// Sends one message without waiting; on a connected socket without an address, whatever the message says. 0 or a negative errno.
int dx_udp_send(int socket, const dx_message *message, bool is_connected);

// The port that the socket is bound to, or a negative errno.
int dx_udp_port(int socket, bool is_v6);

// The address and port that a socket of another start of this program is bound to, into `local`. 0 or a negative errno.
int dx_udp_local(int socket, dx_message *local);

// Asks for a kernel receive buffer of `bytes`: beyond the system's limit when privileged, up to it otherwise. Returns
// what getsockopt tells then, or a negative errno.
int dx_udp_receive_buffer(int socket, int bytes);

// The same for the send buffer.
int dx_udp_send_buffer(int socket, int bytes);

// Whether the kernel knows UDP_SEGMENT on this socket.
bool dx_udp_can_segment(int socket);

// CLOCK_MONOTONIC in nanoseconds. It cannot fail on Linux.
static inline int64_t dx_monotonic_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// CLOCK_BOOTTIME in nanoseconds: as CLOCK_MONOTONIC, but it goes on while the machine is suspended. It cannot fail on Linux.
static inline int64_t dx_boottime_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_BOOTTIME, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

// Opens a socket that does not block, to which the kernel sends notices of interfaces, addresses and default routes that come, go
// or change (rtnetlink(7)). No privileges are needed. Returns the descriptor or a negative errno, where a sandbox forbids it.
int dx_network_events_open(void);

// Opens a timer that does not block and never fires, but of which reading fails with ECANCELED when the wall clock is set or the
// machine wakes up from sleep (timerfd_create(2)). Returns the descriptor or a negative errno.
int dx_wake_events_open(void);

// Sends the service manager a message (sd_notify(3)) without waiting; the path is that of NOTIFY_SOCKET, "@" at its beginning for
// a name without a file. 0 or a negative errno.
int dx_notify(const char *path, const char *text, size_t byte_count);

// What something in the file system is. `struct stat` itself comes to Swift through whichever module happened to
// include it first, so that a file that imports NIO may not name its fields.
typedef struct dx_path {
    uint64_t device, inode;  // together they name it
    uint32_t owner, group;   // whose it is
    uint32_t permissions;    // the lowest 12 bits of its mode
    bool is_socket, is_directory;
    bool is_file;
} dx_path;

// Looks at a path; a link at its end is followed when `follows_links`. Returns 0 or a negative errno.
int dx_path_facts(const char *path, bool follows_links, dx_path *out);

// Gives back the memory that starting left behind: free heap, and all pages of code and constants, of this program and its
// libraries. What is used again comes back from the file, or from the kernel's cache of it. The bytes of what was released.
size_t dx_release_clean_pages(void);

// The bytes of the heap that are in use, by malloc's own count.
size_t dx_heap_in_use(void);

// Gives the heap's free pages back to the kernel, those between pieces that are in use among them.
void dx_heap_trim(void);

// A place of a service (SRV, RFC 2782). The target is a name as text, ended by zero; "." or nothing for "there is none".
typedef struct dx_srv {
    uint16_t priority, weight, port;
    char target[1025];  // NS_MAXDNAME: what is no letter, digit or mark takes four characters
} dx_srv;

// Asks the system's name servers for the SRV records of a name; waits for the answer, ten seconds and more. Returns how many there
// are, at most `capacity`, or -1 when there is none, or no answer, or one that cannot be read.
int dx_srv_look_up(const char *name, dx_srv *found, int capacity);

// Reads the SRV records of an answer, whatever its bytes are. Returns how many there are, at most `capacity`, or -1 when it is none.
int dx_srv_read(const uint8_t *answer, size_t byte_count, dx_srv *found, int capacity);

// Runs a program without a shell and waits for its end, at most timeout_ms: a path and arguments, and an environment, each ended by
// NULL. It has no input, none of this program's descriptors, a session of its own, no way to more privileges than this process has,
// and as root it is nobody. The first `capacity` bytes of what it says are kept. Its exit status, 128 and the number of the signal that
// ended it, or a negative errno: -ETIMEDOUT when it was ended because its time was over.
int dx_command_run(
    const char *const *argv, const char *const *envp, int timeout_ms, char *output, size_t capacity, size_t *count);

// Starts a program with an environment of its own, which gets `descriptor` as its descriptor 3, the standard descriptors of this one,
// and nothing else. Returns its process id or a negative errno; whoever starts it waits for its end (dx_successor_ended).
int dx_successor_start(const char *path, const char *const *argv, const char *const *envp, int descriptor);

// Whether a program that dx_successor_start started has ended: 1 and how (its status, or 128 and the signal's number), 0 when it runs, or a
// negative errno.
int dx_successor_ended(int process, int *status);

// A pair of connected sockets that keep the bounds of messages, do not block and are closed on exec. 0 or a negative errno.
int dx_message_pair(int descriptors[2]);

// Sends a message of at most 65,536 bytes and at most 200 descriptors over such a socket; waits for room at most timeout_ms. 0 or a
// negative errno.
int dx_message_send(int socket, const void *bytes, size_t byte_count, const int *descriptors, size_t count, int timeout_ms);

// Takes a message, and the descriptors that came with it (closed on exec); waits for it at most timeout_ms. The bytes, 0 when the
// other end is closed, or a negative errno: -ETIMEDOUT, -EMSGSIZE for what does not fit.
long dx_message_receive(
    int socket, void *bytes, size_t capacity, int *descriptors, size_t descriptor_capacity, size_t *count, int timeout_ms);

// The columns and rows of the terminal behind a descriptor. 0, or a negative errno: -ENOTTY where there is none, or it does not say.
int dx_terminal_size(int descriptor, unsigned *columns, unsigned *rows);

// Takes a terminal over: keys come one by one and unseen from `input`, and `output` shows its other screen, without a cursor. There is one
// at a time in a process. Whatever ends the process but SIGKILL gives the terminal back first, a crash included. 0 or a negative errno.
int dx_terminal_take(int input, int output);

// Gives it back as it was; nothing when it is not taken. May be called by a signal handler.
void dx_terminal_give_back(void);

// Waits for keys, for another size of the terminal, or for dx_terminal_wake, at most timeout_ms. How many bytes were read, at most
// `capacity`; 0 when it was something else; -1 when the terminal is gone.
int dx_terminal_wait(int timeout_ms, uint8_t *bytes, size_t capacity);

// Ends a wait, from any thread.
void dx_terminal_wake(void);

// The system's clock: *is_synchronised when something keeps it right (adjtimex(2)); *error_us how wrong it may be. 0 or a negative errno.
int dx_clock_facts(bool *is_synchronised, int64_t *error_us);
