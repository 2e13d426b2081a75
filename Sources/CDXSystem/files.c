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
    out->owner = (uint32_t)status.st_uid;
    out->group = (uint32_t)status.st_gid;
    out->permissions = (uint32_t)status.st_mode & 07777;
    out->is_socket = S_ISSOCK(status.st_mode);
    out->is_directory = S_ISDIR(status.st_mode);
    out->is_file = S_ISREG(status.st_mode);
    return 0;
}
