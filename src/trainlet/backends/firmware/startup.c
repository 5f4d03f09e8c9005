/* From reset to main: data, FPU, and a memory protection unit that leaves exactly the target's
   RAM and Flash accessible.  A fault is written to the host's standard error and ends the run. */
#include "semihosting.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define CPACR REGISTER(0xE000ED88)
#define SHCSR REGISTER(0xE000ED24)
#define CFSR REGISTER(0xE000ED28)
#define MMFAR REGISTER(0xE000ED34)
#define BFAR REGISTER(0xE000ED38)
#define MPU_CTRL REGISTER(0xE000ED94)
#define MPU_RNR REGISTER(0xE000ED98)
#define MPU_RBAR REGISTER(0xE000ED9C)
#define MPU_RASR REGISTER(0xE000EDA0) /* version 7 */
#define MPU_RLAR REGISTER(0xE000EDA0) /* version 8 */
#define MPU_MAIR0 REGISTER(0xE000EDC0)

#if HAS_FPU
_Static_assert(__ARM_FP, "the compiler would use soft float: name the FPU in its flags");
#endif

extern uint32_t stack_top[], data_load[], data_start[], data_end[], bss_start[], bss_end[];
extern uint32_t ram_start[], ram_end[], flash_start[], flash_end[];

int main(void);
void start(void);
void report_fault(uint32_t number, uint32_t stack);
void Reset_Handler(void);
void Fault_Handler(void);

#if MPU_VERSION == 8
enum { READ_EXECUTE = 3 << 1, READ_WRITE = 1 << 1 | 1 };

static uint32_t allow(uint32_t region, uint32_t start, uint32_t end, uint32_t access)
{
    MPU_RNR = region;
    MPU_RBAR = start | access;
    MPU_RLAR = ((end - 1) & ~31u) | 1;
    return region + 1;
}
#elif MPU_VERSION == 7
enum { READ_EXECUTE = 6 << 24 | 2 << 16, READ_WRITE = 1 << 28 | 3 << 24 | 6 << 16 };

/* A region is an aligned power of two: take the largest ones that fit. */
static uint32_t allow(uint32_t region, uint32_t start, uint32_t end, uint32_t access)
{
    while (start < end) {
        uint32_t bits = 5;
        while (bits < 31 && !(start & ((2u << bits) - 1)) && 2u << bits <= end - start) {
            bits++;
        }
        MPU_RNR = region++;
        MPU_RBAR = start;
        MPU_RASR = access | (bits - 1) << 1 | 1;
        start += 1u << bits;
    }
    return region;
}
#endif

static void protect(void)
{
#if MPU_VERSION
#if MPU_VERSION == 8
    MPU_MAIR0 = 0x44; /* normal memory, not cached */
#endif
    uint32_t region = allow(0, (uint32_t)flash_start, (uint32_t)flash_end, READ_EXECUTE);
    region = allow(region, (uint32_t)ram_start, (uint32_t)ram_end, READ_WRITE);
    allow(region, TIMER_BASE, TIMER_BASE + 32, READ_WRITE);
    SHCSR |= 7u << 16; /* memory, bus and usage faults instead of hard faults */
    MPU_CTRL = 1;
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
}

void start(void)
{
#if HAS_FPU
    CPACR |= 0xFu << 20;
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
    const uint32_t *source = data_load;
    for (uint32_t *word = data_start; word < data_end;) {
        *word++ = *source++;
    }
    for (uint32_t *word = bss_start; word < bss_end;) {
        *word++ = 0;
    }
    protect();
    semihosting_exit((uint32_t)main());
}

static void write_hex(char *text, uint32_t value)
{
    for (int digit = 7; digit >= 0; digit--, value >>= 4) {
        text[digit] = "0123456789abcdef"[value & 15];
    }
}

/* The host reads this line; keep it in step with run/qemu_device.py. */
void report_fault(uint32_t number, uint32_t stack)
{
    char line[] = "FAULT 00000000 cfsr 00000000 mmfar 00000000 bfar 00000000 sp 00000000\n";
    write_hex(line + 6, number);
    write_hex(line + 20, CFSR);
    write_hex(line + 35, MMFAR);
    write_hex(line + 49, BFAR);
    write_hex(line + 61, stack);
    semihosting(SYS_WRITE0, line);
    semihosting_exit(100 + (number & 15));
}

/* The stack itself may be what overflowed: begin a fresh one before calling C. */
__attribute__((naked)) void Fault_Handler(void)
{
    __asm__ volatile("mrs r0, ipsr\n"
                     "mov r1, sp\n"
                     "ldr r2, =stack_top\n"
                     "mov sp, r2\n"
                     "ldr r2, =report_fault\n"
                     "bx r2\n");
}

__attribute__((naked)) void Reset_Handler(void)
{
    __asm__ volatile("ldr r0, =stack_top\n"
                     "mov sp, r0\n"
                     "ldr r0, =start\n"
                     "bx r0\n");
}

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) const struct {
    uint32_t *stack;
    vector handlers[15];
} vectors = {stack_top,
             {Reset_Handler, Fault_Handler, Fault_Handler, Fault_Handler, Fault_Handler,
              Fault_Handler, Fault_Handler, Fault_Handler, Fault_Handler, Fault_Handler,
              Fault_Handler, Fault_Handler, Fault_Handler, Fault_Handler, Fault_Handler}};
