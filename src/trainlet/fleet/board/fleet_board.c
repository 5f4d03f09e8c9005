/* Frames: 0xA5, kind, sequence, length of the payload (2 bytes), payload, CRC-32 of all between.
   Numbers are little-endian.  docs/fleet.md has the kinds. */

#include "fleet_board.h"

#include <string.h>

enum { START = 0xA5, HEAD = 4, MOST = FLEET_BOARD_CHUNK + 8, TRIES = 20 };
enum { HELLO = 1, INIT, LOAD, DATA, TRAIN, SAVE, ACK };
enum { DONE = 0x81, ASK, PUT };
enum { LOST = -100 }; /* a transfer's peer went away */

struct frame {
    uint8_t kind, sequence;
    uint16_t size;
    uint8_t payload[MOST];
};

static uint32_t crc(uint32_t sum, const uint8_t *bytes, uint32_t size) {
    for (uint32_t k = 0; k < size; k++) {
        sum ^= bytes[k];
        for (int bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (0xEDB88320u & (0u - (sum & 1u)));
    }
    return sum;
}

static uint32_t get(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void put(uint8_t *bytes, uint32_t value) {
    for (int k = 0; k < 4; k++) bytes[k] = (uint8_t)(value >> (8 * k));
}

static int send_frame(struct fleet_board *board, uint8_t kind, const uint8_t *payload,
                      uint16_t size) {
    uint8_t head[1 + HEAD] = {START, kind, board->sequence, (uint8_t)size, (uint8_t)(size >> 8)};
    uint8_t seal[4];
    put(seal, ~crc(crc(0xFFFFFFFFu, head + 1, HEAD), payload, size));
    const struct fleet_port *port = &board->port;
    return port->write(port->context, head, sizeof head) ||
           (size && port->write(port->context, payload, size)) ||
           port->write(port->context, seal, sizeof seal);
}

static int fill(const struct fleet_port *port, uint8_t *bytes, uint32_t size) {
    for (uint32_t k = 0; k < size; k++) {
        const int next = port->read(port->context);
        if (next < 0) return 0;
        bytes[k] = (uint8_t)next;
    }
    return 1;
}

/* The next whole frame: 1; 0 if nothing came in time.  Damaged frames are passed over. */
static int receive(const struct fleet_port *port, struct frame *frame) {
    for (;;) {
        int next;
        do {
            next = port->read(port->context);
            if (next < 0) return 0;
        } while (next != START);
        uint8_t head[HEAD], seal[4];
        if (!fill(port, head, HEAD)) return 0;
        frame->kind = head[0];
        frame->sequence = head[1];
        frame->size = (uint16_t)(head[2] | head[3] << 8);
        if (frame->size > MOST) continue;
        if (!fill(port, frame->payload, frame->size) || !fill(port, seal, sizeof seal)) return 0;
        const uint32_t sum = crc(crc(0xFFFFFFFFu, head, HEAD), frame->payload, frame->size);
        if (~sum == get(seal)) return 1;
    }
}

/* Send a frame until an answer of this kind comes whose first word is `offset`: 0, or LOST. */
static int exchange(struct fleet_board *board, uint8_t kind, const uint8_t *payload, uint16_t size,
                    uint8_t wanted, uint32_t offset, struct frame *answer) {
    for (int tries = 0; tries < TRIES; tries++) {
        if (send_frame(board, kind, payload, size)) return LOST;
        while (receive(&board->port, answer)) {
            if (answer->kind == wanted && answer->sequence == board->sequence &&
                answer->size >= 4 && get(answer->payload) == offset)
                return 0;
        }
    }
    return LOST;
}

static int pull(void *context, uint32_t offset, void *bytes, uint32_t size) {
    struct fleet_board *board = context;
    struct frame answer;
    for (uint32_t done = 0; done < size;) {
        const uint32_t left = size - done;
        const uint32_t part = left < FLEET_BOARD_CHUNK ? left : FLEET_BOARD_CHUNK;
        uint8_t ask[8];
        put(ask, offset + done);
        put(ask + 4, part);
        if (exchange(board, ASK, ask, sizeof ask, DATA, offset + done, &answer)) return LOST;
        if (answer.size != 4 + part) return LOST;
        memcpy((uint8_t *)bytes + done, answer.payload + 4, part);
        done += part;
    }
    return 0;
}

static int push(void *context, uint32_t offset, const void *bytes, uint32_t size) {
    struct fleet_board *board = context;
    struct frame answer;
    uint8_t part[4 + FLEET_BOARD_CHUNK];
    for (uint32_t done = 0; done < size;) {
        const uint32_t left = size - done;
        const uint32_t count = left < FLEET_BOARD_CHUNK ? left : FLEET_BOARD_CHUNK;
        put(part, offset + done);
        memcpy(part + 4, (const uint8_t *)bytes + done, count);
        const uint16_t length = (uint16_t)(4 + count);
        if (exchange(board, PUT, part, length, ACK, offset + done, &answer)) return LOST;
        done += count;
    }
    return 0;
}

static int train(struct fleet_board *board, const struct frame *request,
                 struct fleet_lesson *lesson) {
    float lr;
    if (request->size != 12) return -1;
    const uint32_t word = get(request->payload + 8);
    memcpy(&lr, &word, sizeof lr);
    const struct fleet_trainer *trainer = &board->trainer;
    return trainer->train(trainer->context, get(request->payload), get(request->payload + 4), lr,
                          lesson);
}

void fleet_board_init(struct fleet_board *board, struct fleet_port port,
                      struct fleet_trainer trainer) {
    memset(board, 0, sizeof *board);
    board->port = port;
    board->trainer = trainer;
}

/* An answer: the kind of the request, its status, and two words. */
int fleet_board_serve(struct fleet_board *board) {
    struct frame request;
    if (!receive(&board->port, &request)) return 0;
    if (request.kind == DATA || request.kind == ACK) return 0; /* of a transfer that has ended */
    if (!board->answered || request.sequence != board->sequence ||
        request.kind != board->answer[0]) {
        const struct fleet_trainer *trainer = &board->trainer;
        struct fleet_lesson lesson = {0, 0.0f};
        int status = 0;
        board->answered = 0;
        board->sequence = request.sequence;
        switch (request.kind) {
        case HELLO: lesson.examples = trainer->blob_bytes; break;
        case INIT: trainer->init(); break;
        case LOAD: status = trainer->load(pull, board); break;
        case TRAIN: status = train(board, &request, &lesson); break;
        case SAVE: status = trainer->save(push, board); break;
        default: status = -1;
        }
        uint32_t word;
        memcpy(&word, &lesson.loss, sizeof word);
        memset(board->answer, 0, sizeof board->answer);
        board->answer[0] = request.kind;
        put(board->answer + 4, (uint32_t)status);
        put(board->answer + 8, lesson.examples);
        put(board->answer + 12, word);
        board->answered = 1;
    }
    return send_frame(board, DONE, board->answer, sizeof board->answer) ? -1 : 1;
}
