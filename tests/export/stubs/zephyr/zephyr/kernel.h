/* What our firmwares use of Zephyr's API, in this file and beside it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

int32_t k_msleep(int32_t ms);

typedef struct { int64_t ticks; } k_timeout_t;
#define K_FOREVER ((k_timeout_t){-1})
#define K_NO_WAIT ((k_timeout_t){0})

struct k_msgq { char *buffer; };
#define K_MSGQ_DEFINE(name, size, count, align)                    \
  static char __attribute__((aligned(align))) name##_kept[(size) * (count)]; \
  struct k_msgq name = {name##_kept}
int k_msgq_get(struct k_msgq *queue, void *item, k_timeout_t timeout);
int k_msgq_put(struct k_msgq *queue, const void *item, k_timeout_t timeout);

typedef void (*k_thread_entry_t)(void *a, void *b, void *c);
#define K_THREAD_DEFINE(name, stack, entry, a, b, c, priority, options, delay) \
  char name##_stack[stack];                                                    \
  const k_thread_entry_t name##_entry = entry
