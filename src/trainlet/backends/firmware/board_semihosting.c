/* The board as an emulator sees it: the host's pipes by semihosting, the FPGAIO counter. */
#include "board.h"
#include "semihosting.h"

#define TIMER ((volatile const uint32_t *)TIMER_BASE)
#define SECONDS TIMER[4] /* CLK1HZ */
#define TICKS TIMER[6]   /* COUNTER */
#define PAINT 0xC0DEC0DEu

extern uint32_t stack_limit[], stack_top[];

static uint32_t input, output; /* handles of the host's pipes */
static uint32_t stack_most;
#ifdef MARKS
static uint32_t marks[MARKS], marked;
#endif

static uint32_t open_pipe(uint32_t mode)
{
    static const char name[] = ":tt";
    const uintptr_t arguments[3] = {(uintptr_t)name, mode, sizeof name - 1};
    return semihosting(SYS_OPEN, arguments);
}

void board_open(void)
{
    input = open_pipe(OPEN_READ);
    output = open_pipe(OPEN_WRITE);
}

/* Both operations return how many bytes are left to do; an end of file leaves all. */
static int transfer(uint32_t operation, uint32_t handle, uintptr_t bytes, uint32_t size)
{
    while (size) {
        const uintptr_t arguments[3] = {handle, bytes, size};
        const uint32_t left = semihosting(operation, arguments);
        if (left >= size) {
            return -1;
        }
        bytes += size - left;
        size = left;
    }
    return 0;
}

int board_receive(void *bytes, uint32_t size)
{
    return transfer(SYS_READ, input, (uintptr_t)bytes, size);
}

int board_send(const void *bytes, uint32_t size)
{
    return transfer(SYS_WRITE, output, (uintptr_t)bytes, size);
}

struct elapsed board_call(void (*call)(void))
{
    struct elapsed time;
    volatile uint32_t *word = stack_limit;
    uint32_t *stack; /* this function's own: the call begins below it */
    __asm__ volatile("mov %0, sp" : "=r"(stack));
    while (word < stack) {
        *word++ = PAINT;
    }
#ifdef MARKS
    marked = 0;
#endif
    time.seconds = SECONDS;
    time.ticks = TICKS;
    call();
    time.ticks = TICKS - time.ticks;
    time.seconds = SECONDS - time.seconds;
    for (word = stack_limit; word < stack && *word == PAINT;) {
        word++;
    }
    const uint32_t used = (uint32_t)((uintptr_t)stack - (uintptr_t)word);
    if (used > stack_most) {
        stack_most = used;
    }
    return time;
}

#ifdef MARKS
static __attribute__((used)) void note_time(void)
{
    if (marked < MARKS) {
        marks[marked++] = TICKS;
    }
}

/* Called in the midst of a function, which must not notice: it keeps all registers. */
__attribute__((naked)) void board_mark(void)
{
    __asm__ volatile("push {r0-r4, lr}\n"
                     "bl note_time\n"
                     "pop {r0-r4, pc}\n");
}

int board_send_marks(void)
{
    return board_send(&marked, sizeof marked) || board_send(marks, marked * sizeof *marks);
}
#endif

uint32_t board_stack_used(void)
{
    return stack_most;
}
