/* Which taps of a transposed convolution make an element of its result y[OH,OW], and of which
 * element of x[H,W]: tap k of input i goes to i * stride - padding + k * dilation. */
#ifndef TRAINLET_TRANSPOSED_H
#define TRAINLET_TRANSPOSED_H
/* the input element whose tap k makes the result's element o, or -1 */
static inline int source_of_tap(int o, int padding, int k, int dilation, int stride, int size) {
  int at = o + padding - k * dilation;
  return at < 0 || at % stride || at / stride >= size ? -1 : at / stride;
}
#endif
