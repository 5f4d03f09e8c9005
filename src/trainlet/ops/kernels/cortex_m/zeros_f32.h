/* What a sum without a bias begins with. */
#ifndef TRAINLET_ZEROS_F32_H
#define TRAINLET_ZEROS_F32_H
static const float ZEROS[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
#endif
