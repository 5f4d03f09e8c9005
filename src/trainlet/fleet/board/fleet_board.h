/* A board of a fleet: it answers a gateway over a stream of bytes (serial line, socket).

   The gateway sends the fleet's model, lets the board train on its own data, and fetches what it
   has learnt.  The data stay on the board.  Frames carry a CRC-32; what is lost or damaged is sent
   again, so a transfer continues where a broken line stopped it.  C11, no malloc; 1 KB of stack
   beside the trainer's. */

#ifndef FLEET_BOARD_H
#define FLEET_BOARD_H

#include <stdint.h>

#define FLEET_BOARD_CHUNK 240 /* bytes of a state in one frame */

/* The stream.  read: the next byte, 0 to 255, or -1 if none came in time (half a second, say).
   write: 0, or another number on failure. */
struct fleet_port {
    int (*read)(void *context);
    int (*write)(void *context, const uint8_t *bytes, uint32_t size);
    void *context;
};

/* What the board learnt: examples it has learnt from, and their mean loss. */
struct fleet_lesson {
    uint32_t examples;
    float loss;
};

typedef int (*fleet_writer)(void *context, uint32_t offset, const void *bytes, uint32_t size);
typedef int (*fleet_reader)(void *context, uint32_t offset, void *bytes, uint32_t size);

/* The trainer, and the application's training.
   init, save, load: trainer_init, trainer_save, trainer_load
   train: passes over the board's own data, in an order drawn from the seed, with the learning
   rate lr; 0, or the trainer's status */
struct fleet_trainer {
    void (*init)(void);
    int (*save)(fleet_writer write, void *context);
    int (*load)(fleet_reader read, void *context);
    int (*train)(void *context, uint32_t epochs, uint32_t seed, float lr,
                 struct fleet_lesson *lesson);
    void *context;
    uint32_t blob_bytes; /* TRAINER_BLOB_BYTES: of a saved state */
};

/* Between two calls: the last request and its answer, for a gateway that asks again. */
struct fleet_board {
    struct fleet_port port;
    struct fleet_trainer trainer;
    int answered;
    uint8_t sequence;
    uint8_t answer[16];
};

/* Prepare a board.  The trainer must be initialised. */
void fleet_board_init(struct fleet_board *board, struct fleet_port port,
                      struct fleet_trainer trainer);

/* Wait for one request and answer it.  1: answered, 0: nothing came in time, -1: the port failed,
   or the gateway went away in a transfer; the trainer is then as it was. */
int fleet_board_serve(struct fleet_board *board);

#endif
