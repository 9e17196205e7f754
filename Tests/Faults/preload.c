// Faults at chosen system calls of one program: loaded before it by LD_PRELOAD, driven by environment variables.
//
//     FAULTS_PROGRAM=occult   the program that is meant: others that inherit the environment run undisturbed
//     FAULTS_RANK=2           only this rank of mpirun; any if left out
//     FAULTS_ROOT=/folder     only calls on paths below it count, and on descriptors opened there
//     FAULTS_MEMORY=65536     requests for memory of so many bytes and more count
//     FAULTS_TRACE=/file      gets a line for each call that counts: name, number, bytes, path
//     FAULTS_KEEP=/folder     gets a copy of everything that is renamed, in the order of the trace
//     FAULTS_CALL=write FAULTS_NUMBER=17 FAULTS_ACTION=…   what happens at the 17th call that counts as a write:
//         a number     it fails with this errno and does nothing (close: it closes and fails)
//         full         ENOSPC, here and at every later call that needs room: the disk stays full
//         short        it writes or reads half of what was asked
//         kill, kill-after, tear   SIGKILL before it, after it, or after half of a write
//     FAULTS_FIRED=/file      is made when that happened
//
// Calls into the kernel are made directly, so that nothing here depends on what libc does around them. Calls that libc
// makes inside itself (loading libraries, locale files, stacks of threads, fopen) do not pass through here.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum call { OPEN, LIST, READ, WRITE, TRUNCATE, SYNC, CLOSE, MAP, RENAME, LINK, UNLINK, MKDIR, RMDIR, MEMORY, CALLS };
static const char *const names[CALLS] = {"open", "list", "read", "write", "truncate", "sync", "close",
                                         "mmap", "rename", "link", "unlink", "mkdir", "rmdir", "memory"};

// Outcomes of `meet` beside an errno.
enum { PASS = 0, HALF = -1, TEAR = -2, KILL_AFTER = -3 };

enum { DESCRIPTORS = 4096, PATH = 512 };
static char paths[DESCRIPTORS][PATH];      // of descriptors below the root
static _Atomic unsigned char tracked[DESCRIPTORS];
static _Atomic long counts[CALLS];
static _Atomic int active, full;
static char root[PATH], folder[PATH];      // below which calls count; the working folder at the start
static const char *keep, *fired;
static int trace = -1, chosen = -1, failing;  // failing: an errno, or HALF and the others below
static int kills, stays_full;
static long number;
static size_t least = 65536;

static ssize_t raw_write(int file, const void *bytes, size_t count) { return syscall(SYS_write, file, bytes, count); }

// MARK: Which calls count

// The absolute path of `path` seen from a folder, if it lies below the root.
static int below(int base, const char *path, char *absolute) {
  if (!active || !path || !root[0]) return 0;
  const char *from = folder;
  if (path[0] != '/' && base != AT_FDCWD) {
    if (base < 0 || base >= DESCRIPTORS || !tracked[base]) return 0;
    from = paths[base];
  }
  while (path[0] == '.' && path[1] == '/') path += 2;
  if (strcmp(path, ".") == 0) path = "";
  int length = path[0] == 0 ? snprintf(absolute, PATH, "%s", from)
               : path[0] == '/' ? snprintf(absolute, PATH, "%s", path) : snprintf(absolute, PATH, "%s/%s", from, path);
  size_t size = strlen(root);
  return length < PATH && strncmp(absolute, root, size) == 0 && (absolute[size] == '/' || absolute[size] == 0);
}

static int is_tracked(int file) { return active && file >= 0 && file < DESCRIPTORS && tracked[file]; }

static void track(int file, const char *path) {
  if (file < 0 || file >= DESCRIPTORS) return;
  snprintf(paths[file], PATH, "%s", path);
  tracked[file] = 1;
}

static void die(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

// Counts a call; what is to become of it.
static int meet(enum call call, const char *path, size_t bytes, int needs_room) {
  long mine = atomic_fetch_add(&counts[call], 1) + 1;
  if (trace >= 0) {
    char line[PATH + 64];
    int length = snprintf(line, sizeof line, "%s %ld %zu %s\n", names[call], mine, bytes, path);
    raw_write(trace, line, length);
  }
  if (full && needs_room) return ENOSPC;
  if ((int)call != chosen || mine != number) return PASS;
  if (fired) syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, fired, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  if (kills) die();
  if (stays_full) full = 1;
  return failing;
}

// Takes over where a call must not happen: sets errno and says so.
static int fails(int outcome) {
  if (outcome <= 0) return 0;
  errno = outcome;
  return 1;
}

static long after(int outcome, long result) {
  if (outcome == KILL_AFTER || outcome == TEAR) die();
  return result;
}

// MARK: The beginning

static int program_is(const char *wanted) {
  char path[PATH];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  const char *name = strrchr(path, '/');
  return name && strcmp(name + 1, wanted) == 0;
}

static void begin(void) {
  const char *program = getenv("FAULTS_PROGRAM"), *rank = getenv("FAULTS_RANK"), *own = getenv("OMPI_COMM_WORLD_RANK");
  const char *where = getenv("FAULTS_ROOT"), *what = getenv("FAULTS_CALL"), *action = getenv("FAULTS_ACTION");
  if (!program || !program_is(program) || (rank && (!own || strcmp(rank, own) != 0))) return;
  if (where) snprintf(root, sizeof root, "%s", where);
  if (!getcwd(folder, sizeof folder)) folder[0] = 0;
  keep = getenv("FAULTS_KEEP");
  fired = getenv("FAULTS_FIRED");
  if (getenv("FAULTS_MEMORY")) least = strtoul(getenv("FAULTS_MEMORY"), NULL, 10);
  const char *file = getenv("FAULTS_TRACE");
  if (file) trace = syscall(SYS_openat, AT_FDCWD, file, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
  for (int call = 0; what && action && call < CALLS; call++) {
    if (strcmp(what, names[call]) != 0) continue;
    chosen = call;
    number = getenv("FAULTS_NUMBER") ? atol(getenv("FAULTS_NUMBER")) : 1;
    kills = strcmp(action, "kill") == 0;
    stays_full = strcmp(action, "full") == 0;
    failing = stays_full ? ENOSPC : strcmp(action, "short") == 0 ? HALF : strcmp(action, "tear") == 0 ? TEAR
              : strcmp(action, "kill-after") == 0 ? KILL_AFTER : atoi(action);
  }
  // What the program starts is not meant.
  unsetenv("LD_PRELOAD");
  active = 1;
}

static int (*real_main)(int, char **, char **);

static int main_with_faults(int count, char **arguments, char **environment) {
  begin();
  return real_main(count, arguments, environment);
}

int __libc_start_main(int (*main)(int, char **, char **), int count, char **arguments, void (*init)(void),
                      void (*fini)(void), void (*loader)(void), void *stack) {
  int (*start)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void), void *) =
      (void *)dlsym(RTLD_NEXT, "__libc_start_main");
  real_main = main;
  return start(main_with_faults, count, arguments, init, fini, loader, stack);
}

// MARK: Opening, listing, closing

static int open_at(int base, const char *path, int flags, mode_t mode) {
  char absolute[PATH];
  if (!below(base, path, absolute)) return syscall(SYS_openat, base, path, flags, mode);
  int outcome = meet(OPEN, absolute, (flags & O_CREAT) != 0, (flags & O_CREAT) != 0);
  if (fails(outcome)) return -1;
  int file = syscall(SYS_openat, base, path, flags, mode);
  track(file, absolute);
  return after(outcome, file);
}

#define MODE(flags) ({ mode_t mode = 0; if ((flags) & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); \
  mode = va_arg(list, mode_t); va_end(list); } mode; })
int open(const char *path, int flags, ...) { return open_at(AT_FDCWD, path, flags, MODE(flags)); }
int open64(const char *path, int flags, ...) { return open_at(AT_FDCWD, path, flags, MODE(flags)); }
int openat(int base, const char *path, int flags, ...) { return open_at(base, path, flags, MODE(flags)); }
int openat64(int base, const char *path, int flags, ...) { return open_at(base, path, flags, MODE(flags)); }
int __open_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __openat_2(int base, const char *path, int flags) { return open_at(base, path, flags, 0); }
int __openat64_2(int base, const char *path, int flags) { return open_at(base, path, flags, 0); }
int creat(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static int make_temporary(char *template, int suffix, int flags) {
  char absolute[PATH];
  int (*make)(char *, int, int) = (void *)dlsym(RTLD_NEXT, "mkostemps");
  if (!below(AT_FDCWD, template, absolute)) return make(template, suffix, flags);
  int outcome = meet(OPEN, absolute, 1, 1);
  if (fails(outcome)) return -1;
  int file = make(template, suffix, flags);
  track(file, absolute);
  return after(outcome, file);
}
int mkstemp(char *template) { return make_temporary(template, 0, 0); }
int mkstemp64(char *template) { return make_temporary(template, 0, 0); }
int mkstemps(char *template, int suffix) { return make_temporary(template, suffix, 0); }
int mkostemp(char *template, int flags) { return make_temporary(template, 0, flags); }

DIR *opendir(const char *path) {
  char absolute[PATH];
  DIR *(*list)(const char *) = (void *)dlsym(RTLD_NEXT, "opendir");
  if (below(AT_FDCWD, path, absolute) && fails(meet(LIST, absolute, 0, 0))) return NULL;
  return list(path);
}

int close(int file) {
  if (!is_tracked(file)) return syscall(SYS_close, file);
  char path[PATH];
  memcpy(path, paths[file], PATH);
  int outcome = meet(CLOSE, path, 0, 0);
  tracked[file] = 0;
  int result = syscall(SYS_close, file);  // Linux closes even where it reports an error
  return fails(outcome) ? -1 : after(outcome, result);
}

// MARK: Bytes

// How much of a transfer happens.
static size_t part(int outcome, size_t count) {
  if ((outcome != HALF && outcome != TEAR) || count < 2) return count;
  return count > 1 << 30 ? 4096 : count / 2;  // of copies that ask for as much as there is, a page
}

#define TRANSFER(call, needs_room, file, count, kernel) \
  if (!is_tracked(file)) { size_t n = count; return kernel; } \
  int outcome = meet(call, paths[file], count, needs_room); \
  if (fails(outcome)) return -1; \
  size_t n = part(outcome, count); \
  return after(outcome, kernel)

ssize_t write(int file, const void *bytes, size_t count) {
  TRANSFER(WRITE, 1, file, count, syscall(SYS_write, file, bytes, n));
}
ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
  TRANSFER(WRITE, 1, file, count, syscall(SYS_pwrite64, file, bytes, n, at));
}
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) { return pwrite(file, bytes, count, at); }
ssize_t read(int file, void *bytes, size_t count) { TRANSFER(READ, 0, file, count, syscall(SYS_read, file, bytes, n)); }
ssize_t pread(int file, void *bytes, size_t count, off_t at) {
  TRANSFER(READ, 0, file, count, syscall(SYS_pread64, file, bytes, n, at));
}
ssize_t pread64(int file, void *bytes, size_t count, off64_t at) { return pread(file, bytes, count, at); }
ssize_t __read_chk(int file, void *bytes, size_t count, size_t size) { return read(file, bytes, count); }
ssize_t __pread_chk(int file, void *bytes, size_t count, off_t at, size_t size) {
  return pread(file, bytes, count, at);
}
ssize_t __pread64_chk(int file, void *bytes, size_t count, off64_t at, size_t size) {
  return pread(file, bytes, count, at);
}
ssize_t sendfile(int to, int from, off_t *at, size_t count) {
  TRANSFER(WRITE, 1, to, count, syscall(SYS_sendfile, to, from, at, n));
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t count) { return sendfile(to, from, (off_t *)at, count); }
ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *where, size_t count, unsigned flags) {
  TRANSFER(WRITE, 1, to, count, syscall(SYS_copy_file_range, from, at, to, where, n, flags));
}

// Of several pieces the first half: a shorter list, or a shorter piece where there is one.
static ssize_t vector(enum call call, int kernel, int file, const struct iovec *pieces, int count) {
  if (!is_tracked(file)) return syscall(kernel, file, pieces, count);
  size_t bytes = 0;
  for (int i = 0; i < count; i++) bytes += pieces[i].iov_len;
  int outcome = meet(call, paths[file], bytes, call == WRITE);
  if (fails(outcome)) return -1;
  struct iovec first = count > 0 ? pieces[0] : (struct iovec){0};
  if (outcome == HALF || outcome == TEAR) {
    if (count == 1) first.iov_len = part(outcome, first.iov_len);
    return after(outcome, count == 1 ? syscall(kernel, file, &first, 1) : syscall(kernel, file, pieces, count / 2));
  }
  return after(outcome, syscall(kernel, file, pieces, count));
}
ssize_t writev(int file, const struct iovec *pieces, int count) {
  return vector(WRITE, SYS_writev, file, pieces, count);
}
ssize_t readv(int file, const struct iovec *pieces, int count) {
  return vector(READ, SYS_readv, file, pieces, count);
}

#define WHOLE(call, needs_room, file, bytes, kernel) \
  if (!is_tracked(file)) return kernel; \
  int outcome = meet(call, paths[file], bytes, needs_room); \
  if (fails(outcome)) return -1; \
  return after(outcome, kernel)

int ftruncate(int file, off_t size) { WHOLE(TRUNCATE, size > 0, file, size, syscall(SYS_ftruncate, file, size)); }
int ftruncate64(int file, off64_t size) { return ftruncate(file, size); }
int fsync(int file) { WHOLE(SYNC, 1, file, 0, syscall(SYS_fsync, file)); }
int fdatasync(int file) { WHOLE(SYNC, 1, file, 0, syscall(SYS_fdatasync, file)); }
int posix_fallocate(int file, off_t at, off_t size) {
  if (!is_tracked(file)) return syscall(SYS_fallocate, file, 0, at, size) == 0 ? 0 : errno;
  int outcome = meet(TRUNCATE, paths[file], size, 1);
  if (outcome > 0) return outcome;
  return after(outcome, syscall(SYS_fallocate, file, 0, at, size) == 0 ? 0 : errno);
}

// MARK: Names

// Copies what has just got its final name, for the list of everything that was ever complete.
static void keep_copy(const char *path, int wanted) {
  if (!keep || !wanted) return;
  static _Atomic int copies;
  char copy[PATH + 32];
  int mine = ++copies;
  snprintf(copy, sizeof copy, "%s/%d", keep, mine);
  char *arguments[] = {"cp", "-r", (char *)path, copy, NULL};
  char *environment[] = {"PATH=/usr/bin:/bin", NULL};
  pid_t child;
  if (posix_spawn(&child, "/bin/cp", NULL, NULL, arguments, environment) == 0) waitpid(child, NULL, 0);
  if (trace < 0) return;
  char line[PATH + 64];
  int length = snprintf(line, sizeof line, "kept %d 0 %s\n", mine, path);
  raw_write(trace, line, length);
}

static int rename_at(int base, const char *from, int other, const char *to, unsigned flags) {
  char absolute[PATH], source[PATH], both[2 * PATH + 4];
  int wanted = below(other, to, absolute);
  if (!wanted && !below(base, from, absolute)) return syscall(SYS_renameat2, base, from, other, to, flags);
  if (!below(base, from, source)) snprintf(source, sizeof source, "%s", from);
  snprintf(both, sizeof both, "%s -> %s", source, absolute);
  int outcome = meet(RENAME, both, flags, 0);
  if (fails(outcome)) return -1;
  int result = syscall(SYS_renameat2, base, from, other, to, flags);
  if (result == 0) keep_copy(absolute, wanted);
  return after(outcome, result);
}
int rename(const char *from, const char *to) { return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int base, const char *from, int other, const char *to) { return rename_at(base, from, other, to, 0); }
int renameat2(int base, const char *from, int other, const char *to, unsigned flags) {
  return rename_at(base, from, other, to, flags);
}

#define NAMED(call, needs_room, base, path, kernel) \
  char absolute[PATH]; \
  if (!below(base, path, absolute)) return kernel; \
  int outcome = meet(call, absolute, 0, needs_room); \
  if (fails(outcome)) return -1; \
  return after(outcome, kernel)

int linkat(int base, const char *from, int other, const char *to, int flags) {
  NAMED(LINK, 1, other, to, syscall(SYS_linkat, base, from, other, to, flags));
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
int symlinkat(const char *from, int base, const char *to) {
  NAMED(LINK, 1, base, to, syscall(SYS_symlinkat, from, base, to));
}
int symlink(const char *from, const char *to) { return symlinkat(from, AT_FDCWD, to); }
int unlinkat(int base, const char *path, int flags) {
  NAMED((flags & AT_REMOVEDIR ? RMDIR : UNLINK), 0, base, path, syscall(SYS_unlinkat, base, path, flags));
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
  struct stat status;
  if (lstat(path, &status) != 0) return -1;
  return unlinkat(AT_FDCWD, path, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0);
}
int mkdirat(int base, const char *path, mode_t mode) {
  NAMED(MKDIR, 1, base, path, syscall(SYS_mkdirat, base, path, mode));
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

// MARK: Memory

void *mmap(void *hint, size_t bytes, int protection, int flags, int file, off_t at) {
  int outcome = PASS;
  if (is_tracked(file)) outcome = meet(MAP, paths[file], bytes, 0);
  else if (active && (flags & MAP_ANONYMOUS) && bytes >= least) outcome = meet(MEMORY, "mmap", bytes, 0);
  if (fails(outcome)) return MAP_FAILED;
  return (void *)after(outcome, syscall(SYS_mmap, hint, bytes, protection, flags, file, at));
}
void *mmap64(void *hint, size_t bytes, int protection, int flags, int file, off64_t at) {
  return mmap(hint, bytes, protection, flags, file, at);
}

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static int no_memory(const char *what, size_t bytes) {
  return active && bytes >= least && fails(meet(MEMORY, what, bytes, 0));
}
void *malloc(size_t bytes) { return no_memory("malloc", bytes) ? NULL : __libc_malloc(bytes); }
void *calloc(size_t count, size_t size) {
  return no_memory("calloc", count * size) ? NULL : __libc_calloc(count, size);
}
void *realloc(void *block, size_t bytes) { return no_memory("realloc", bytes) ? NULL : __libc_realloc(block, bytes); }
void *memalign(size_t alignment, size_t bytes) {
  return no_memory("memalign", bytes) ? NULL : __libc_memalign(alignment, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void **block, size_t alignment, size_t bytes) {
  int before = errno;
  void *found = memalign(alignment, bytes);
  errno = before;
  if (!found) return ENOMEM;
  *block = found;
  return 0;
}
