/* What the command loop needs of the machine that it runs on. */
#ifndef BOARD_H
#define BOARD_H
#include <stdint.h>

struct elapsed {
    uint32_t ticks;   /* of the board's counter: a fixed number of ticks per instruction */
    uint32_t seconds; /* tells how often `ticks` wrapped */
};

void board_open(void);
int board_receive(void *bytes, uint32_t size);    /* 0, or -1: the host has hung up */
int board_send(const void *bytes, uint32_t size); /* 0, or -1 */
struct elapsed board_call(void (*call)(void));    /* calls it, watching time and stack */
uint32_t board_stack_used(void);                  /* the most that any such call took, in bytes */
#ifdef MARKS
void board_mark(void); /* notes the time */
int board_send_marks(void); /* how many, and the times, since the last board_call began; 0, or -1 */
#endif

#endif
