/* Unicorn calls this at the start of each block of Thumb code; see counter.py. */
#include <stdint.h>

struct block {
    uint16_t size, count;
};

struct state {
    uint64_t count;
    const uint16_t *flash;
    struct block *blocks; /* what is known, one for each halfword of Flash */
    uint32_t start, size;
    uint32_t unit, taken; /* what an instruction of an unknown block counts, and a jump */
    uint64_t next;        /* the address behind the block that ran last */
};

void count_block(void *core, uint64_t address, uint32_t size, struct state *state);

void count_block(void *core, uint64_t address, uint32_t size, struct state *state)
{
    const uint64_t offset = address - state->start;
    (void)core;
    if (offset >= state->size) {
        return;
    }
    struct block *const block = &state->blocks[offset / 2];
    if (block->size != size) {
        const uint16_t *const code = &state->flash[offset / 2];
        block->size = (uint16_t)size;
        block->count = 0;
        for (uint32_t k = 0; k < size / 2; k += code[k] >> 11 >= 0x1D ? 2 : 1) {
            block->count += (uint16_t)state->unit;
        }
    }
    state->count += block->count + (address == state->next ? 0 : state->taken);
    state->next = address + size;
}
