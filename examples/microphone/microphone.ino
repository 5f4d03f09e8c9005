/* A keyword spotter that learns your voice, on an Arduino Nano 33 BLE Sense.
 *
 * It listens all the time.  Send a line over USB: "p" predicts the last second, "3" learns that it
 * was word 3, "s" saves the state into the last 16 KB of the Flash. */
#include <FlashIAP.h>
#include <PDM.h>
#include <trainlet_listen.h>
#include <trainlet_store.h>
#include <voice.h>

/* The microphone: the ring has the last second, and room for 24 ms that arrive while it is read. */
static int16_t ring[16384];
static trainlet_listen ears = TRAINLET_LISTEN(ring, 16384, VOICE_X_SIZE, 1);

static void on_samples() { /* in an interrupt */
  static int16_t block[256];
  const int bytes = PDM.read(block, sizeof block);
  if (bytes > 0) trainlet_listen_feed(&ears, block, (uint32_t)bytes / 2);
}

/* The last second, at its place in the arena. */
static const int16_t *last_second() {
  while (trainlet_listen_window(&ears, voice_x())) delay(1);
  return voice_x();
}

/* The store: the last four sectors of the Flash, which the sketch must not reach. */
static const uint32_t STORE = 0x100000 - 4 * 4096;
static mbed::FlashIAP internal;

static int erase(void *, uint32_t sector) { return internal.erase(STORE + sector * 4096, 4096); }
static int program(void *, uint32_t sector, uint32_t offset, const void *bytes, uint32_t size) {
  return internal.program(bytes, STORE + sector * 4096 + offset, size);
}
static int read(void *, uint32_t sector, uint32_t offset, void *bytes, uint32_t size) {
  return internal.read(bytes, STORE + sector * 4096 + offset, size);
}
static const trainlet_flash flash = {4, 4096, 4, erase, program, read, NULL, NULL};

/* The cycle counter of the core. */
static volatile uint32_t *const DEMCR = (volatile uint32_t *)0xE000EDFC;
static volatile uint32_t *const CONTROL = (volatile uint32_t *)0xE0001000;
static volatile uint32_t *const CYCLES = (volatile uint32_t *)0xE0001004;

static void report(const char *what, int status, uint32_t cycles) {
  Serial.print(what);
  Serial.print(status);
  Serial.print(", cycles ");
  Serial.println(cycles);
}

void setup() {
  Serial.begin(115200);
  *DEMCR |= 1u << 24;
  *CONTROL |= 1u;
  internal.init();
  voice_init();
  report("loaded, status ", trainlet_store_load(&flash, VOICE_BLOB_BYTES, voice_load), 0);
  PDM.onReceive(on_samples);
  if (!PDM.begin(1, 16000)) report("no microphone, status ", -1, 0);
}

void loop() {
  if (!Serial.available()) return;
  int letter = Serial.peek();
  int32_t word = letter == 'p' || letter == 's' ? -1 : (int32_t)Serial.parseInt();
  while (Serial.available()) Serial.read(); /* the end of the line */
  if (letter == 's') {
    report("saved, status ", trainlet_store_save(&flash, VOICE_BLOB_BYTES, voice_save), 0);
    return;
  }
  const int16_t *x = last_second();
  const uint32_t begun = *CYCLES;
  if (word >= 0) {
    float loss;
    int status = voice_step(x, &word, 0.01f, &loss);
    report("learnt, status ", status, *CYCLES - begun);
    return;
  }
  static float logits[VOICE_LOGITS_SIZE];
  int status = voice_predict(x, logits);
  const uint32_t cycles = *CYCLES - begun;
  if (status) {
    report("failed, status ", status, cycles);
    return;
  }
  int best = 0;
  for (int k = 1; k < VOICE_LOGITS_SIZE; k++)
    if (logits[k] > logits[best]) best = k;
  report("word ", best, cycles);
}
