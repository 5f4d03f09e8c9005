/* Stochastic rounding of one element after the other, without what does not happen to moves of a
 * usual size. */
#ifndef TRAINLET_ROUND_FAST_H
#define TRAINLET_ROUND_FAST_H
#include "dsp.h"
#include "random.h"
#include <stdint.h>
/* the hashes of elements side by side; factors stay in registers, where gcc would make them anew */
typedef struct { uint32_t seed, step, first, second; } RandomWalk;
static inline RandomWalk random_walk(uint32_t key, uint32_t element) {
  RandomWalk walk = {0, GOLDEN, MIX_FIRST, MIX_SECOND};
  HIDE(walk.step);
  HIDE(walk.first);
  HIDE(walk.second);
  walk.seed = key + element * walk.step;
  return walk;
}
static inline uint32_t next_hash(RandomWalk *walk) {
  uint32_t hash = mix_with(walk->seed, walk->first, walk->second);
  walk->seed += walk->step;
  return hash;
}
/* whether |x| is below the float with these bits; never if x is NaN */
static inline int is_below(float x, uint32_t bits) {
  union { float value; uint32_t bits; } size = {x};
  return size.bits << 1 < bits << 1;
}
/* round_to_i32 of x with the draw of a hash; 0 of NaN, and something large of what is too large */
#if defined(HAS_DSP) && defined(__ARM_FP)
static inline int32_t round_by_hash(float x, uint32_t hash) {
  int32_t below;
  float whole, draw;
  __asm__("vmov %[draw], %[hash]\n\tvcvt.s32.f32 %[whole], %[x]\n\tvmov %[below], %[whole]\n\t"
          "vcvt.f32.s32 %[whole], %[whole]\n\tvcvt.f32.s32 %[draw], %[draw], #24\n\t"
          "vsub.f32 %[x], %[x], %[whole]\n\tvcmpe.f32 %[x], #0\n\tvmrs APSR_nzcv, fpscr\n\t"
          "itt mi\n\tvaddmi.f32 %[x], %[x], %[one]\n\tsubmi %[below], %[below], #1\n\t"
          "vcmpe.f32 %[draw], %[x]\n\tvmrs APSR_nzcv, fpscr\n\t"
          "it mi\n\taddmi %[below], %[below], #1"
          : [below] "=&r"(below), [whole] "=&t"(whole), [draw] "=&t"(draw), [x] "+t"(x)
          : [hash] "r"(hash >> 8), [one] "t"(1.0f)
          : "cc");
  return below;
}
#else
static inline int32_t round_by_hash(float x, uint32_t hash) {
  if (!is_below(x, 0x4F000000)) return x < 0 ? INT32_MIN : x > 0 ? INT32_MAX : 0; /* 2^31 */
  int32_t below = (int32_t)x;
  float rest = x - (float)below, draw = draw_of(hash);
  if (rest < 0) rest += 1.0f, below--;
  return below + (draw < rest);
}
#endif
#endif
