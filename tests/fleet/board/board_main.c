/* A board of a fleet: the trainer, the examples of `examples.h`, and a port. */
#include "examples.h" /* EXAMPLES, INPUTS, examples_x, examples_y */
#include "fleet_board.h"
#include "port.h" /* port_open, port_read, port_write */
#include "trainer.h"

static int train(void *context, uint32_t epochs, uint32_t seed, float lr,
                 struct fleet_lesson *lesson) {
    static int order[EXAMPLES];
    float sum = 0.0f;
    (void)context;
    for (int k = 0; k < EXAMPLES; k++) order[k] = k;
    for (uint32_t epoch = 0; epoch < epochs; epoch++) {
        for (int k = EXAMPLES - 1; k > 0; k--) {
            seed = seed * 1664525u + 1013904223u;
            const int other = (int)((seed >> 8) % (uint32_t)(k + 1)), kept = order[k];
            order[k] = order[other];
            order[other] = kept;
        }
        for (int k = 0; k < EXAMPLES; k++) {
            float loss;
            const int32_t label = examples_y[order[k]];
            const int status = trainer_step(examples_x[order[k]], &label, lr, &loss);
            if (status) return status;
            sum += loss;
        }
    }
    lesson->examples = EXAMPLES;
    lesson->loss = epochs ? sum / (float)(EXAMPLES * epochs) : 0.0f;
    return 0;
}

int main(void) {
    struct fleet_board board;
    const struct fleet_port port = {port_read, port_write, 0};
    const struct fleet_trainer trainer = {trainer_init, trainer_save, trainer_load, train, 0,
                                          TRAINER_BLOB_BYTES};
    port_open();
    trainer_init();
    fleet_board_init(&board, port, trainer);
    while (!port_closed()) (void)fleet_board_serve(&board);
    return 0;
}
