/* VARIANT spoils a step: see project.py. */
#include "trainer.h"

#include <string.h>

#ifndef VARIANT
#define VARIANT 0
#endif
#define SOUND 0
#define OUTSIDE 1
#define DEEP 2
#define LARGE 3
#define ENDLESS 4
#define FLASH 5
#define RECURSIVE 6
#define WIDE 7

struct state {
    float weight[3][4];
    float bias[3];
};

static const struct state pretrained = {
    {{0.5F, -0.25F, 0.125F, 1.0F}, {0.1F, 0.2F, 0.3F, 0.4F}, {-1.0F, 0.7F, 0.0F, 0.3F}},
    {0.0F, 0.1F, -0.1F}};
static struct state state = {{{1.0F}}, {0}};
static float slot[4];
static int32_t gain_slot[1];
#if VARIANT == LARGE
static volatile float arena[65536];
#endif

#if VARIANT == DEEP || VARIANT == WIDE
__attribute__((noinline)) static int deep(int depth)
{
    volatile int frame[4096];
    for (int k = 4095; k >= 0; k--) {
        frame[k] = depth;
    }
    return frame[17];
}
#endif
#if VARIANT == DEEP
static int (*volatile pointer)(int) = deep; /* no static bound sees through it */
#endif
#if VARIANT == RECURSIVE
__attribute__((noinline)) static float again(volatile float *value, int depth)
{
    volatile float mine = *value;
    return depth ? again(&mine, depth - 1) + mine : mine;
}
#endif

__attribute__((noinline)) static void forward(const float *x, int32_t gain, float *logits)
{
    for (int row = 0; row < 3; row++) {
        float sum = state.bias[row];
        for (int column = 0; column < 4; column++) {
            sum += state.weight[row][column] * x[column];
        }
        logits[row] = sum * (float)gain / 3.0F;
    }
}

void trainer_init(void)
{
    memcpy(&state, &pretrained, sizeof state);
}

float *trainer_x(void)
{
    return slot;
}

int32_t *trainer_gain(void)
{
    return gain_slot;
}

int trainer_predict(const float *x, const int32_t *gain, float *logits)
{
    for (int k = 0; k < 4; k++) {
        if (!(x[k] - x[k] == 0.0F)) {
            return TRAINER_ERROR_INPUT;
        }
    }
    forward(x, *gain, logits);
    return TRAINER_OK;
}

int trainer_step(const float *x, const int32_t *gain, const int32_t *label, float lr, float *loss)
{
    float logits[3];
    const int status = trainer_predict(x, gain, logits);
    if (status) {
        return status;
    }
    if (*label < 0 || *label > 2) {
        return TRAINER_ERROR_LABEL;
    }
#if VARIANT == OUTSIDE
    *(volatile uint32_t *)(uintptr_t)BAD_ADDRESS = 1;
#elif VARIANT == DEEP
    logits[0] += (float)pointer(1);
#elif VARIANT == WIDE
    logits[0] += (float)deep(*label);
#elif VARIANT == LARGE
    arena[*label] = logits[0];
#elif VARIANT == ENDLESS
    for (volatile int forever = 1; forever;) {
    }
#elif VARIANT == FLASH
    *(volatile float *)(uintptr_t)&pretrained.bias[0] = 1.0F;
#elif VARIANT == RECURSIVE
    logits[0] += again(&lr, *label);
#endif
    float total = 0.0F;
    for (int row = 0; row < 3; row++) {
        const float error = logits[row] - (row == *label ? 1.0F : 0.0F);
        total += error * error;
        for (int column = 0; column < 4; column++) {
            state.weight[row][column] -= lr * error * x[column];
        }
        state.bias[row] -= lr * error;
    }
    if (!(total - total == 0.0F)) {
        return TRAINER_ERROR_DIVERGED;
    }
    *loss = total;
    return TRAINER_OK;
}

static uint32_t checksum(const struct state *what)
{
    uint32_t words[15], sum = 0x74726169u;
    memcpy(words, what, sizeof words);
    for (int k = 0; k < 15; k++) {
        sum = (sum << 5 | sum >> 27) ^ words[k];
    }
    return sum;
}

int trainer_save(trainer_write write, void *context)
{
    const uint32_t header[2] = {0x4C494E31u, checksum(&state)};
    if (write(context, 8, &state, sizeof state) || write(context, 0, header, sizeof header)) {
        return TRAINER_ERROR_IO;
    }
    return TRAINER_OK;
}

int trainer_load(trainer_read read, void *context)
{
    uint32_t header[2];
    struct state loaded;
    if (read(context, 0, header, sizeof header) || read(context, 8, &loaded, sizeof loaded)) {
        return TRAINER_ERROR_IO;
    }
    if (header[0] != 0x4C494E31u || header[1] != checksum(&loaded)) {
        return TRAINER_ERROR_STATE;
    }
    memcpy(&state, &loaded, sizeof state);
    return TRAINER_OK;
}
