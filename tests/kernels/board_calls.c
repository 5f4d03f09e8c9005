/* Calls of kernels that the host asks for, one after another, on memory that it fills and reads. */
#include "board.h"
#include "semihosting.h"

enum { WORDS = 40, FLOATS = 4 };
#define TICKS (((volatile const uint32_t *)TIMER_BASE)[6])
#define EIGHT(k) w[k], w[k + 1], w[k + 2], w[k + 3], w[k + 4], w[k + 5], w[k + 6], w[k + 7]
#define EIGHT_WORDS uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t

typedef void kernel(float, float, float, float, EIGHT_WORDS, EIGHT_WORDS, EIGHT_WORDS, EIGHT_WORDS,
                    EIGHT_WORDS);
struct asked {
    uint32_t function, start, size; /* bytes of memory from `start` on go there and back */
    float f[FLOATS];
    uint32_t w[WORDS];
};

/* exactly 2 n instructions, and those around the loop */
void k_spin(uint32_t n);
__attribute__((noinline)) void k_spin(uint32_t n)
{
    __asm__ volatile("1: subs %0, %0, #1\n\tbne 1b" : "+r"(n) : : "cc");
}

int main(void)
{
    struct asked asked;
    board_open();
    while (board_receive(&asked, sizeof asked) == 0) {
        uint8_t *memory = (uint8_t *)(uintptr_t)asked.start;
        if (board_receive(memory, asked.size)) {
            return 1;
        }
        const uint32_t *w = asked.w;
        kernel *call = (kernel *)(uintptr_t)asked.function;
        uint32_t ticks = TICKS;
        call(asked.f[0], asked.f[1], asked.f[2], asked.f[3], EIGHT(0), EIGHT(8), EIGHT(16),
             EIGHT(24), EIGHT(32));
        ticks = TICKS - ticks;
        if (board_send(&ticks, sizeof ticks) || board_send(memory, asked.size)) {
            return 1;
        }
    }
    return 0;
}
