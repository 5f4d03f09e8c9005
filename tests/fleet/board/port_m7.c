/* The pipes of an emulated board. */
#include "port.h"
#include "board.h"

static int closed;

void port_open(void) { board_open(); }

int port_read(void *context) {
    uint8_t byte;
    (void)context;
    if (!closed && board_receive(&byte, 1) == 0) return byte;
    closed = 1;
    return -1;
}

int port_write(void *context, const uint8_t *bytes, uint32_t size) {
    (void)context;
    return board_send(bytes, size);
}

int port_closed(void) { return closed; }
