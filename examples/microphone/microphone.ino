/* A keyword spotter that learns your voice, on an Arduino Nano 33 BLE Sense.
 *
 * Send a line over USB: "p" listens for a second and predicts, "3" listens and learns that this was
 * word 3, "s" saves the state into the last 16 KB of the Flash. */
#include <FlashIAP.h>
#include <PDM.h>
#include <trainlet_store.h>
#include <voice.h>

/* The microphone: samples go straight to their place in the arena. */
static short block[256];
static volatile int heard = VOICE_X_SIZE; /* samples of the present second */

static void on_samples() { /* in an interrupt */
  int count = PDM.read(block, sizeof block) / 2;
  for (int k = 0; k < count && heard < VOICE_X_SIZE; k++) voice_x()[heard++] = block[k];
}

static void listen() {
  heard = 0;
  while (heard < VOICE_X_SIZE) delay(1);
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
  listen();
  const uint32_t begun = *CYCLES;
  if (word >= 0) {
    float loss;
    int status = voice_step(voice_x(), &word, 0.01f, &loss);
    report("learnt, status ", status, *CYCLES - begun);
    return;
  }
  static float logits[VOICE_LOGITS_SIZE];
  int status = voice_predict(voice_x(), logits);
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
