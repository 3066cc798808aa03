// Whether this process may use tiles.

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../shared/tiers.h"

enum {
  /// CPUID leaf 1, ECX: the system saves extended state, and XGETBV tells which.
  HAS_OSXSAVE = 1 << 27,
  /// CPUID leaf 7, EDX.
  HAS_TILES = 1 << 24,
  HAS_INT8 = 1 << 25,
  /// XCR0: configuration and data of tiles.
  SAVES_TILES = 1 << 17 | 1 << 18,
  /// From <asm/prctl.h>, which may be older than the system: asks for a part of the state that a
  /// system gives only on demand.
  ARCH_REQ_XCOMP_PERM = 0x1023,
  XFEATURE_XTILEDATA = 18,
};

__attribute__((target("xsave"))) static int system_saves_tiles(void) {
  return (_xgetbv(0) & SAVES_TILES) == SAVES_TILES;
}

/// The permission is the process's, for all threads that it has or starts (Linux,
/// Documentation/arch/x86/xstate.rst); each gets the room for its tiles when it first uses them.
/// Without it the first use would end the process. Asking again changes nothing.
int ck_tiles_are_usable(void) {
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & HAS_OSXSAVE) == 0) return 0;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return 0;
  if ((edx & HAS_TILES) == 0 || (edx & HAS_INT8) == 0 || !system_saves_tiles()) return 0;
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

#endif
