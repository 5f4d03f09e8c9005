/* SPDX-License-Identifier: Apache-2.0 */
/* An image classifier that learns your scenes, on an ESP32-S3-EYE with ESP-IDF.
 *
 * It prints the class of each image.  While the button BOOT is pressed, images are learnt as class
 * LABEL; when it is released, the state is saved in the NVS. */
#include <stdio.h>

#include "driver/gpio.h"
#include "esp_camera.h"
#include "esp_cpu.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "nvs_flash.h"

#include "eye.h"
#include "trainlet_esp_idf.h"

#define BUTTON GPIO_NUM_0
enum { SIDE = 96, LABEL = 1, SECTOR = 4096 };

/* The pins of an ESP32-S3-EYE. */
static const camera_config_t CAMERA = {
    .pin_pwdn = -1, .pin_reset = -1, .pin_xclk = 15, .pin_sccb_sda = 4, .pin_sccb_scl = 5,
    .pin_d7 = 16, .pin_d6 = 17, .pin_d5 = 18, .pin_d4 = 12,
    .pin_d3 = 10, .pin_d2 = 8, .pin_d1 = 9, .pin_d0 = 11,
    .pin_vsync = 6, .pin_href = 7, .pin_pclk = 13,
    .xclk_freq_hz = 20000000, .pixel_format = PIXFORMAT_GRAYSCALE, .frame_size = FRAMESIZE_96X96,
    .fb_count = 1, .fb_location = CAMERA_FB_IN_PSRAM, .grab_mode = CAMERA_GRAB_WHEN_EMPTY};

/* The trainer asks for rows when it needs them: they come from the camera's own buffer. */
static int image_rows(void *context, int first, int count, float *rows) {
  const camera_fb_t *image = context;
  const uint8_t *pixel = image->buf + first * SIDE;
  for (int k = 0; k < count * SIDE; k++) rows[k] = (float)pixel[k] * (1.0f / 127.5f) - 1.0f;
  return 0;
}

static void learn(camera_fb_t *image) {
  const int32_t label = LABEL;
  float loss;
  const esp_cpu_cycle_count_t begun = esp_cpu_get_cycle_count();
  int status = eye_step(image_rows, image, &label, 0.01f, &loss);
  printf("learnt, status %d, %u cycles\n", status, (unsigned)(esp_cpu_get_cycle_count() - begun));
}

static void predict(camera_fb_t *image) {
  static float logits[EYE_LOGITS_SIZE];
  const esp_cpu_cycle_count_t begun = esp_cpu_get_cycle_count();
  int status = eye_predict(image_rows, image, logits), best = 0;
  const unsigned cycles = (unsigned)(esp_cpu_get_cycle_count() - begun);
  for (int k = 1; k < EYE_LOGITS_SIZE; k++)
    if (logits[k] > logits[best]) best = k;
  printf("class %d, status %d, %u cycles\n", best, status, cycles);
}

/* This one task calls the trainer; its stack is CONFIG_ESP_MAIN_TASK_STACK_SIZE. */
void app_main(void) {
  static nvs_handle_t handle;
  static const trainlet_entries entries = TRAINLET_ESP_IDF(&handle, SECTOR);
  static const trainlet_flash flash = TRAINLET_ENTRIES(&entries, 2, SECTOR);
  int learning = 0;
  ESP_ERROR_CHECK(nvs_flash_init());
  ESP_ERROR_CHECK(nvs_open("eye", NVS_READWRITE, &handle));
  ESP_ERROR_CHECK(gpio_set_direction(BUTTON, GPIO_MODE_INPUT));
  ESP_ERROR_CHECK(esp_camera_init(&CAMERA));
  eye_init();
  printf("loaded, status %d\n", trainlet_store_load(&flash, EYE_BLOB_BYTES, eye_load));
  for (;;) {
    const int pressed = !gpio_get_level(BUTTON);
    camera_fb_t *image = esp_camera_fb_get();
    if (image && image->len == SIDE * SIDE) {
      if (pressed)
        learn(image);
      else
        predict(image);
    }
    if (image) esp_camera_fb_return(image);
    if (learning && !pressed)
      printf("saved, status %d\n", trainlet_store_save(&flash, EYE_BLOB_BYTES, eye_save));
    learning = pressed;
    vTaskDelay(1); /* the idle task feeds the watchdog */
  }
}
