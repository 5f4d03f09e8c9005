#include "kernel.h"
#include "weight_gain.h"
KERNEL void k_weight_gain(WEIGHT_GAIN_PARAMETERS) { weight_gain(WEIGHT_GAIN_ARGUMENTS); }
