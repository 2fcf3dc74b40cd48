// Arm's semihosting calls: https://github.com/ARM-software/abi-aa, semihosting. The string of the
// operation's numbers is that document's.
#include <string.h>

#include "board.h"

enum {
  SYS_OPEN = 0x01,
  SYS_CLOSE = 0x02,
  SYS_WRITE = 0x05,
  SYS_READ = 0x06,
  SYS_SEEK = 0x0a,
  SYS_FLEN = 0x0c,
  SYS_TIME = 0x11,
  SYS_EXIT = 0x18
};
enum { MODE_RB = 1, MODE_R_PLUS_B = 3 };

#if defined(__riscv)
// "RISC-V Semihosting": the two instructions around the break, not compressed and in one page, tell
// it from others.
static int call(int operation, const void* block) {
  register int a0 __asm("a0") = operation;
  register const void* a1 __asm("a1") = block;
  __asm volatile(
      ".option push\n"
      ".option norvc\n"
      ".balign 16\n"
      "slli zero, zero, 0x1f\n"
      "ebreak\n"
      "srai zero, zero, 7\n"
      ".option pop\n"
      : "+r"(a0)
      : "r"(a1)
      : "memory");
  return a0;
}
#else
static int call(int operation, const void* block) {
  register int r0 __asm("r0") = operation;
  register const void* r1 __asm("r1") = block;
  __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}
#endif

int host_open(const char* path, bool writes) {
  const uintptr_t block[] = {(uintptr_t)path, writes ? MODE_R_PLUS_B : MODE_RB, strlen(path)};
  return call(SYS_OPEN, block);
}

static bool seek(int handle, uint32_t offset) {
  const uintptr_t block[] = {(uintptr_t)handle, offset};
  return call(SYS_SEEK, block) == 0;
}

// Both calls return how many bytes were not transferred.
int host_read(int handle, uint32_t offset, void* out, size_t n) {
  const uintptr_t block[] = {(uintptr_t)handle, (uintptr_t)out, n};
  return seek(handle, offset) && call(SYS_READ, block) == 0 ? 0 : -1;
}

int host_write(int handle, uint32_t offset, const void* bytes, size_t n) {
  const uintptr_t block[] = {(uintptr_t)handle, (uintptr_t)bytes, n};
  return seek(handle, offset) && call(SYS_WRITE, block) == 0 ? 0 : -1;
}

int32_t host_size(int handle) {
  const uintptr_t block[] = {(uintptr_t)handle};
  return call(SYS_FLEN, block);
}

void host_close(int handle) {
  const uintptr_t block[] = {(uintptr_t)handle};
  call(SYS_CLOSE, block);
}

bool host_random(void* out, size_t n) {
  int handle = host_open("/dev/urandom", false);
  if (handle < 0) {
    return false;
  }
  const uintptr_t read[] = {(uintptr_t)handle, (uintptr_t)out, n};
  bool good = call(SYS_READ, read) == 0;
  host_close(handle);
  return good;
}

uint32_t host_unix_s(void) { return (uint32_t)call(SYS_TIME, NULL); }

void host_exit(int status) {
  call(SYS_EXIT, (void*)(uintptr_t)(status == 0 ? 0x20026 : 0x20023));
  for (;;) {
  }
}
