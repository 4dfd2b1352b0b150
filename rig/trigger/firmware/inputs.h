/* The inputs: every edge is told and every rise counted. They are looked at far more often than every 150 us. */
#pragma once

#include "wire.h"

extern uint32_t input_rises[STATUS_INPUTS];

void inputs_begin(void);

/* Tell what changed since the last look. */
void inputs_look(void);
