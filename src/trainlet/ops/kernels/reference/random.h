/* The one random generator: a hash of (seed, step, tensor, element), the same in
 * ops/quantized/random.py; and the rounding of a float to an integer in three modes. */
#ifndef TRAINLET_RANDOM_H
#define TRAINLET_RANDOM_H
#include <stdint.h>
#define GOLDEN 0x9e3779b9u
#define MIX_FIRST 0x7feb352du
#define MIX_SECOND 0x846ca68bu
enum { ROUND_STOCHASTIC, ROUND_NEAREST, ROUND_TRUNCATE };
static inline uint32_t mix_with(uint32_t x, uint32_t first, uint32_t second) {
  x ^= x >> 16;
  x *= first;
  x ^= x >> 15;
  x *= second;
  return x ^ (x >> 16);
}
static inline uint32_t mix_u32(uint32_t x) { return mix_with(x, MIX_FIRST, MIX_SECOND); }
static inline uint32_t random_key(uint32_t seed, uint32_t step, uint32_t tensor) {
  return mix_u32(mix_u32(seed + step * GOLDEN) ^ tensor);
}
/* in [0, 1) */
static inline float draw_of(uint32_t hash) {
  return (float)(int32_t)(hash >> 8) * 5.9604644775390625e-8f;
}
static inline int32_t floor_to_i32(float x) {
  int32_t n = (int32_t)x;
  return (float)n > x ? n - 1 : n;
}
/* |x| below 2^30; NaN moves nothing */
static inline int32_t round_to_i32(float x, int mode, uint32_t key, uint32_t element) {
  if (x != x) return 0;
  if (mode == ROUND_TRUNCATE) return (int32_t)x;
  if (mode == ROUND_NEAREST) return floor_to_i32(x + 0.5f);
  int32_t below = floor_to_i32(x);
  return below + (draw_of(mix_u32(key + element * GOLDEN)) < x - (float)below);
}
#endif
