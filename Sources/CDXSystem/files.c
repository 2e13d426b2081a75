#define _GNU_SOURCE
#include "CDXSystem.h"

#include <errno.h>
#include <sys/stat.h>

int dx_path_facts(const char *path, bool follows_links, dx_path *out) {
    struct stat status;
    int result = follows_links ? stat(path, &status) : lstat(path, &status);
    if (result != 0) return -errno;
    out->device = (uint64_t)status.st_dev;
    out->inode = (uint64_t)status.st_ino;
    out->is_socket = S_ISSOCK(status.st_mode);
    return 0;
}
