/* Each function of the headers, over an array. */
#include "erf.h"
#include "exp.h"
#include "log.h"
#include "sigmoid.h"
#include "sqrt.h"
#include "tanh.h"
#define OVER_ARRAY(name)                                                                    \
  void each_##name(float *y, const float *x, int size);                                     \
  void each_##name(float *y, const float *x, int size) {                                    \
    for (int k = 0; k < size; k++) y[k] = name##_f32(x[k]);                                 \
  }
OVER_ARRAY(exp)
OVER_ARRAY(log)
OVER_ARRAY(normal_cdf)
OVER_ARRAY(sigmoid)
OVER_ARRAY(sqrt)
OVER_ARRAY(tanh)
