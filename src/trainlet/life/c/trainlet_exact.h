/* SPDX-License-Identifier: Apache-2.0 */
/* For a source file with float arithmetic, before its first function: the same bits with the flags of
 * any IDE.  Every sum and product is rounded on its own and in its order. */
#ifndef TRAINLET_EXACT_H
#define TRAINLET_EXACT_H
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || \
    defined(__NO_SIGNED_ZEROS__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "Trainlet needs IEEE arithmetic: compile without -ffast-math, -Ofast and their parts"
#endif
#if defined(__FLT_EVAL_METHOD__) && (__FLT_EVAL_METHOD__ == 1 || __FLT_EVAL_METHOD__ == 2)
#error "Trainlet needs float arithmetic in float: on 32-bit x86 compile with -mfpmath=sse -msse2"
#endif
#if defined(__clang__)
#pragma clang fp contract(off) reassociate(off)
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif
#endif
