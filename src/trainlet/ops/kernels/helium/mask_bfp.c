#include "kernel.h"
#include "mve.h"
/* n mantissas; no clobber can name the predicate, so it is put back */
#define MASK_EIGHT(load, store, step)                                                       \
  __asm__ volatile(                                                                         \
      "vmrs %[before], p0\n\t"                                                              \
      "dlstp.16 lr, %[n]\n"                                                                 \
      "1:\tldrb %[byte], [%[mask]], #1\n\t"                                                 \
      "vdup.16 q0, %[byte]\n\t"                                                             \
      "vand q0, q0, %q[bits]\n\t"                                                           \
      "vpt.i16 ne, q0, zr\n\t"                                                              \
      load " q1, [%[from]], #" step "\n\t"                                                  \
      store " q1, [%[to]], #" step "\n\t"                                                   \
      "letp lr, 1b\n\t"                                                                     \
      "vmsr p0, %[before]"                                                                  \
      : [before] "=&r"(before), [byte] "=&r"(byte), [mask] "+r"(mask), [from] "+l"(from),   \
        [to] "+l"(to)                                                                       \
      : [n] "r"(size), [bits] "w"(bits)                                                     \
      : "lr", "q0", "q1", "memory")

/* as the reference kernel: a byte of the mask says which of eight mantissas stay */
KERNEL ONE_COPY void k_mask_bfp(void *dx, const void *g, const uint8_t *mask, const int32_t *e,
                                int size, int bytes) {
  (void)e;
  if (size <= 0) return;
  const int8_t *from = g;
  int8_t *to = dx;
  uint32_t before, byte;
  uint16x8_t bits = vshlq_u16(vdupq_n_u16(1), vreinterpretq_s16_u16(vidupq_n_u16(0, 1)));
  if (bytes == 2) MASK_EIGHT("vldrht.16", "vstrh.16", "16");
  else MASK_EIGHT("vldrbt.s16", "vstrb.16", "8");
}
