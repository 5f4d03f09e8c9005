/* A hand-written trainer: 4 inputs, 3 classes, one linear layer trained by SGD. */
#ifndef TRAINER_H
#define TRAINER_H
#include <stdint.h>

enum trainer_status {
    TRAINER_OK = 0,
    TRAINER_ERROR_INPUT = -1,
    TRAINER_ERROR_LABEL = -2,
    TRAINER_ERROR_DIVERGED = -3,
    TRAINER_ERROR_STATE = -4,
    TRAINER_ERROR_IO = -5
};
#define TRAINER_BLOB_BYTES 68

typedef int (*trainer_write)(void *context, uint32_t offset, const void *bytes, uint32_t size);
typedef int (*trainer_read)(void *context, uint32_t offset, void *bytes, uint32_t size);

void trainer_init(void);
float *trainer_x(void);
int32_t *trainer_gain(void);
int trainer_predict(const float *x, const int32_t *gain, float *logits);
int trainer_step(const float *x, const int32_t *gain, const int32_t *label, float lr, float *loss);
int trainer_save(trainer_write write, void *context);
int trainer_load(trainer_read read, void *context);

#endif
