/* Preloaded into a process, makes each flush to the disk take FLUSH_US microseconds longer: what a slower disk does. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int slowly(int result) {
    const char *set = getenv("FLUSH_US");
    long us = set ? atol(set) : 0;
    struct timespec rest = {us / 1000000, us % 1000000 * 1000};
    if (us > 0) nanosleep(&rest, NULL);
    return result;
}

int fsync(int fd) { return slowly((int)syscall(SYS_fsync, fd)); }
int fdatasync(int fd) { return slowly((int)syscall(SYS_fdatasync, fd)); }
