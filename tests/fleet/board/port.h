#include <stdint.h>
void port_open(void);
int port_read(void *context);
int port_write(void *context, const uint8_t *bytes, uint32_t size);
int port_closed(void);
