/* SPDX-License-Identifier: Apache-2.0 */
/* An activity classifier that learns its wearer, on a Nucleo-H743ZI with Zephyr.
 *
 * One thread samples, a second one owns the trainer.  While the button is pressed, windows are learnt
 * as activity LABEL; when it is released, the state is saved. */
#include <string.h>
#include <zephyr/device.h>
#include <zephyr/drivers/gpio.h>
#include <zephyr/drivers/sensor.h>
#include <zephyr/kernel.h>
#include <zephyr/storage/flash_map.h>
#include <zephyr/sys/printk.h>

#include "motion.h"
#include "trainlet_store.h"

enum { READINGS = MOTION_INPUT_SIZE / 3, PERIOD_MS = 20, LABEL = 1 };
enum { SECTOR = 128 * 1024, UNIT = 32 }; /* of the Flash of an STM32H743 */

static const struct device *const accelerometer = DEVICE_DT_GET(DT_ALIAS(accel0));
static const struct gpio_dt_spec button = GPIO_DT_SPEC_GET(DT_ALIAS(sw0), gpios);

/* A window of readings in g, and whether the button was pressed.  The network takes x, y and z of a
 * reading side by side: motion.h says so. */
typedef struct {
  float reading[READINGS][3];
  int pressed;
} window_t;

K_MSGQ_DEFINE(windows, sizeof(window_t), 2, 4);

/* The store: two sectors, so that a power cut at any time leaves a good state. */
static const struct flash_area *area;

static int erase(void *context, uint32_t sector) {
  (void)context;
  return flash_area_erase(area, (off_t)(sector * SECTOR), SECTOR);
}
static int program(void *context, uint32_t sector, uint32_t offset, const void *bytes, uint32_t size) {
  (void)context;
  return flash_area_write(area, (off_t)(sector * SECTOR + offset), bytes, size);
}
static int read(void *context, uint32_t sector, uint32_t offset, void *bytes, uint32_t size) {
  (void)context;
  return flash_area_read(area, (off_t)(sector * SECTOR + offset), bytes, size);
}
static const trainlet_flash flash = {2, SECTOR, UNIT, erase, program, read, NULL, NULL};

/* The cycle counter of the core. */
#define REGISTER(address) (*(volatile uint32_t *)(address))
#define CYCLES REGISTER(0xE0001004u)

static void count_cycles(void) {
  REGISTER(0xE000EDFCu) |= 1u << 24;   /* DEMCR: trace on */
  REGISTER(0xE0001FB0u) = 0xC5ACCE55u; /* unlock, without a debugger */
  REGISTER(0xE0001000u) |= 1u;
}

static void learn(const float *x) {
  const int32_t label = LABEL;
  float loss;
  const uint32_t begun = CYCLES;
  int status = motion_step(x, &label, 0.01f, &loss);
  printk("learnt, status %d, %u cycles\n", status, (unsigned)(CYCLES - begun));
}

static void predict(const float *x) {
  static float logits[MOTION_LOGITS_SIZE];
  const uint32_t begun = CYCLES;
  int status = motion_predict(x, logits), best = 0;
  const uint32_t cycles = CYCLES - begun;
  for (int k = 1; k < MOTION_LOGITS_SIZE; k++)
    if (logits[k] > logits[best]) best = k;
  printk("activity %d, status %d, %u cycles\n", best, status, (unsigned)cycles);
}

/* The one thread that calls the trainer. */
static void train(void *a, void *b, void *c) {
  static window_t window;
  int learning = 0;
  (void)a, (void)b, (void)c;
  count_cycles();
  motion_init();
  if (flash_area_open(FIXED_PARTITION_ID(trainer_partition), &area)) return;
  printk("loaded, status %d\n", trainlet_store_load(&flash, MOTION_BLOB_BYTES, motion_load));
  for (;;) {
    k_msgq_get(&windows, &window, K_FOREVER);
    memcpy(motion_input(), window.reading, sizeof window.reading);
    if (window.pressed)
      learn(motion_input());
    else
      predict(motion_input());
    if (learning && !window.pressed)
      printk("saved, status %d\n", trainlet_store_save(&flash, MOTION_BLOB_BYTES, motion_save));
    learning = window.pressed;
  }
}

/* What its calls need, and what printk, the store and the kernel put there. */
K_THREAD_DEFINE(trainer, MOTION_STACK_BYTES + 4096, train, NULL, NULL, NULL, 10, 0, 0);

int main(void) {
  static window_t window;
  struct sensor_value now[3];
  if (!device_is_ready(accelerometer) || !gpio_is_ready_dt(&button)) return 1;
  if (gpio_pin_configure_dt(&button, GPIO_INPUT)) return 1;
  for (;;) {
    for (int k = 0; k < READINGS; k++) {
      k_msleep(PERIOD_MS);
      if (sensor_sample_fetch(accelerometer) ||
          sensor_channel_get(accelerometer, SENSOR_CHAN_ACCEL_XYZ, now))
        return 2;
      for (int axis = 0; axis < 3; axis++)
        window.reading[k][axis] =
            ((float)now[axis].val1 + (float)now[axis].val2 * 1e-6f) * (1.0f / 9.80665f);
    }
    window.pressed = gpio_pin_get_dt(&button) > 0;
    k_msgq_put(&windows, &window, K_NO_WAIT); /* full: the trainer is slower, the window is lost */
  }
}
