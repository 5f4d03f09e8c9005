/* Sums of products in the registers of the FPU (Armv7E-M, Armv8-M).  Assembly: where contraction is
 * off gcc never makes VMLA of C, clang only for some cores, and a load of several registers needs
 * them in a row.  s0 to s15 hold the sums, four columns of four rows. */
#ifndef TRAINLET_VMLA_H
#define TRAINLET_VMLA_H
#if defined(__thumb2__) && defined(__ARM_FP) && defined(__OPTIMIZE__)
#define HAS_VMLA
/* s += a * b, the product rounded, then the sum */
#define VMLA(s, a, b) "vmla.f32 s" #s ", s" #a ", s" #b "\n\t"
#define MEETS(s0, s1, s2, s3, a, b0, b1, b2, b3)                                            \
  VMLA(s0, a, b0) VMLA(s1, a, b1) VMLA(s2, a, b2) VMLA(s3, a, b3)
#define FOUR_MEET(a0, a1, a2, a3, b0, b1, b2, b3)                                           \
  MEETS(0, 1, 2, 3, a0, b0, b1, b2, b3)                                                     \
  MEETS(4, 5, 6, 7, a1, b0, b1, b2, b3)                                                     \
  MEETS(8, 9, 10, 11, a2, b0, b1, b2, b3)                                                   \
  MEETS(12, 13, 14, 15, a3, b0, b1, b2, b3)

#define LOAD(from, registers) "vldmia %[" from "]!, {" registers "}\n\t"
#define ADVANCE(at, step) "add %[" at "], %[" at "], %[" step "], lsl #2\n\t"
#define LOAD_STEP(from, registers, step)                                                    \
  "vldmia %[" from "], {" registers "}\n\t" ADVANCE(from, step)
#define FOUR_ROWS(move, at, step)                                                           \
  move " %[" at "], {s0-s3}\n\t" ADVANCE(at, step)                                          \
  move " %[" at "], {s4-s7}\n\t" ADVANCE(at, step)                                          \
  move " %[" at "], {s8-s11}\n\t" ADVANCE(at, step)                                         \
  move " %[" at "], {s12-s15}\n\t"
/* `to` and its step stay in memory until then: registers are few */
#define STORE_FOUR_ROWS                                                                     \
  "ldr %[a], %[to]\n\tldr %[b], %[to_row]\n\t" FOUR_ROWS("vstmia", "a", "b")
#define EACH_OF(count, text, rest)                                                          \
  "subs %[n], #" #count "\n\tblt 2f\n1:\t" text "subs %[n], #" #count "\n\tbge 1b\n2:\t"    \
  "adds %[n], #" #count "\n\tbeq 4f\n3:\t" rest "subs %[n], #1\n\tbne 3b\n4:\t"

/* where the other rows of a and of b begin: in operands that are free by then */
#define ROWS_OF_A                                                                           \
  "add %[from], %[a], %[a_step], lsl #2\n\tadd %[from_row], %[from], %[a_step], lsl #2\n\t" \
  "add %[a_step], %[from_row], %[a_step], lsl #2\n\t"
#define ROWS_OF_B                                                                           \
  "add %[u], %[b], %[b_step], lsl #2\n\tadd %[v], %[u], %[b_step], lsl #2\n\t"              \
  "add %[b_step], %[v], %[b_step], lsl #2\n\t"
#define LOAD_A(r0, r1, r2, r3)                                                              \
  LOAD("a", r0) LOAD("from", r1) LOAD("from_row", r2) LOAD("a_step", r3)
#define LOAD_B(r0, r1, r2, r3) LOAD("b", r0) LOAD("u", r1) LOAD("v", r2) LOAD("b_step", r3)

/* four rows of a with four of b, two products at a time */
#define ROWS_BY_ROWS                                                                        \
  FOUR_ROWS("vldmia", "from", "from_row") ROWS_OF_A ROWS_OF_B                               \
  EACH_OF(2,                                                                                \
          LOAD_A("s16-s17", "s18-s19", "s20-s21", "s22-s23")                                \
          LOAD_B("s24-s25", "s26-s27", "s28-s29", "s30-s31")                                \
          FOUR_MEET(16, 18, 20, 22, 24, 26, 28, 30)                                         \
          FOUR_MEET(17, 19, 21, 23, 25, 27, 29, 31),                                        \
          LOAD_A("s16", "s18", "s20", "s22") LOAD_B("s24", "s26", "s28", "s30")             \
          FOUR_MEET(16, 18, 20, 22, 24, 26, 28, 30))                                        \
  STORE_FOUR_ROWS
/* four rows of a with four columns of b, which lie side by side */
#define ROWS_BY_COLUMNS                                                                     \
  FOUR_ROWS("vldmia", "from", "from_row") ROWS_OF_A                                         \
  EACH_OF(2,                                                                                \
          LOAD_A("s16-s17", "s18-s19", "s20-s21", "s22-s23")                                \
          LOAD_STEP("b", "s24-s27", "b_step") LOAD_STEP("b", "s28-s31", "b_step")           \
          FOUR_MEET(16, 18, 20, 22, 24, 25, 26, 27)                                         \
          FOUR_MEET(17, 19, 21, 23, 28, 29, 30, 31),                                        \
          LOAD_A("s16", "s18", "s20", "s22") LOAD_STEP("b", "s24-s27", "b_step")            \
          FOUR_MEET(16, 18, 20, 22, 24, 25, 26, 27))                                        \
  STORE_FOUR_ROWS
/* four columns of a with four of b */
#define COLUMNS_BY_COLUMNS                                                                  \
  FOUR_ROWS("vldmia", "from", "from_row")                                                   \
  EACH_OF(2,                                                                                \
          LOAD_STEP("a", "s16-s19", "a_step") LOAD_STEP("b", "s24-s27", "b_step")           \
          LOAD_STEP("a", "s20-s23", "a_step") LOAD_STEP("b", "s28-s31", "b_step")           \
          FOUR_MEET(16, 17, 18, 19, 24, 25, 26, 27)                                         \
          FOUR_MEET(20, 21, 22, 23, 28, 29, 30, 31),                                        \
          LOAD_STEP("a", "s16-s19", "a_step") LOAD_STEP("b", "s24-s27", "b_step")           \
          FOUR_MEET(16, 17, 18, 19, 24, 25, 26, 27))                                        \
  STORE_FOUR_ROWS
/* the same, the products of a with a scale of their own first; columns without a gap */
#define SCALE(scale, a0, a1, a2, a3)                                                        \
  "vmul.f32 s" #a0 ", s" #a0 ", s" #scale "\n\tvmul.f32 s" #a1 ", s" #a1 ", s" #scale       \
  "\n\tvmul.f32 s" #a2 ", s" #a2 ", s" #scale "\n\tvmul.f32 s" #a3 ", s" #a3 ", s" #scale   \
  "\n\t"
#define SCALED_ROWS_BY_COLUMNS                                                              \
  "ldr %[u], %[scale]\n\t"                                                                  \
  FOUR_ROWS("vldmia", "from", "from_row") ROWS_OF_A                                         \
  EACH_OF(2,                                                                                \
          LOAD_A("s16-s17", "s18-s19", "s20-s21", "s22-s23") LOAD("u", "s24-s25")           \
          SCALE(24, 16, 18, 20, 22) SCALE(25, 17, 19, 21, 23) LOAD("b", "s24-s31")          \
          FOUR_MEET(16, 18, 20, 22, 24, 25, 26, 27)                                         \
          FOUR_MEET(17, 19, 21, 23, 28, 29, 30, 31),                                        \
          LOAD_A("s16", "s18", "s20", "s22") LOAD("u", "s24")                               \
          SCALE(24, 16, 18, 20, 22) LOAD("b", "s24-s27")                                    \
          FOUR_MEET(16, 18, 20, 22, 24, 25, 26, 27))                                        \
  STORE_FOUR_ROWS
#define SCALED_ROW_BY_COLUMNS                                                               \
  "ldr %[u], %[scale]\n\tvldmia %[from], {s0-s3}\n\t"                                       \
  EACH_OF(2,                                                                                \
          LOAD("a", "s16-s17") LOAD("u", "s18-s19") LOAD("b", "s4-s11")                     \
          "vmul.f32 s16, s16, s18\n\tvmul.f32 s17, s17, s19\n\t"                            \
          MEETS(0, 1, 2, 3, 16, 4, 5, 6, 7) MEETS(0, 1, 2, 3, 17, 8, 9, 10, 11),            \
          LOAD("a", "s16") LOAD("u", "s18") LOAD("b", "s4-s7") "vmul.f32 s16, s16, s18\n\t" \
          MEETS(0, 1, 2, 3, 16, 4, 5, 6, 7))                                                \
  "ldr %[a], %[to]\n\tvstmia %[a], {s0-s3}"
/* one row of a with four of b, four products at a time */
#define ROW_BY_ROWS                                                                         \
  "vldmia %[from], {s0-s3}\n\t" ROWS_OF_B                                                   \
  EACH_OF(4,                                                                                \
          LOAD("a", "s16-s19") LOAD_B("s4-s7", "s8-s11", "s12-s15", "s20-s23")              \
          MEETS(0, 1, 2, 3, 16, 4, 8, 12, 20) MEETS(0, 1, 2, 3, 17, 5, 9, 13, 21)           \
          MEETS(0, 1, 2, 3, 18, 6, 10, 14, 22) MEETS(0, 1, 2, 3, 19, 7, 11, 15, 23),        \
          LOAD("a", "s16") LOAD_B("s4", "s8", "s12", "s20")                                 \
          MEETS(0, 1, 2, 3, 16, 4, 8, 12, 20))                                              \
  "ldr %[a], %[to]\n\tvstmia %[a], {s0-s3}"
/* one row or column of a with four columns of b */
#define ONE_BY_COLUMNS                                                                      \
  "vldmia %[from], {s0-s3}\n\t"                                                             \
  EACH_OF(2,                                                                                \
          LOAD_STEP("a", "s16", "a_step") LOAD_STEP("b", "s4-s7", "b_step")                 \
          LOAD_STEP("a", "s17", "a_step") LOAD_STEP("b", "s8-s11", "b_step")                \
          MEETS(0, 1, 2, 3, 16, 4, 5, 6, 7) MEETS(0, 1, 2, 3, 17, 8, 9, 10, 11),            \
          LOAD_STEP("a", "s16", "a_step") LOAD_STEP("b", "s4-s7", "b_step")                 \
          MEETS(0, 1, 2, 3, 16, 4, 5, 6, 7))                                                \
  "ldr %[a], %[to]\n\tvstmia %[a], {s0-s3}"

/* the first of them need not be saved */
#define LOW_SINGLES                                                                         \
  "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13",   \
      "s14", "s15"
#define SINGLES                                                                             \
  LOW_SINGLES, "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", \
      "s27", "s28", "s29", "s30", "s31"
/* one of the above on what `p` says, from row `row` of its products on */
#define RUN_PRODUCTS(text, p, row, a_apart, a_by, b_by)                                     \
  do {                                                                                      \
    float *to = (p)->sums + (row) * (p)->sums_row;                                          \
    const float *from = (p)->start + (row) * (p)->start_row;                                \
    const float *a = (p)->a + (row) * (a_apart), *b = (p)->b, *scale = (p)->scale, *u, *v;  \
    int n = (p)->n, to_row = (p)->sums_row, from_row = (p)->start_row;                      \
    int a_step = (a_by), b_step = (b_by);                                                   \
    __asm__ volatile(text                                                                   \
                     : [from] "+r"(from), [from_row] "+r"(from_row), [a] "+r"(a),           \
                       [a_step] "+r"(a_step), [b] "+r"(b), [b_step] "+r"(b_step),           \
                       [n] "+r"(n), [u] "=&r"(u), [v] "=&r"(v)                              \
                     : [to] "m"(to), [to_row] "m"(to_row), [scale] "m"(scale)               \
                     : SINGLES, "cc", "memory");                                            \
  } while (0)
#endif
#endif
