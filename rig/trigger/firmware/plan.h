/* Which STARTs are possible. */
#pragma once

#include "wire.h"

#define MAX_GROUP 64

/* Base periods until the lines come together again: the least common multiple of the divisors. */
uint16_t plan_group_length(const struct start *start);

/* Why this run cannot be sent, and in `detail` the number at fault; ACCEPTED when it can. */
enum refusal plan_refusal(const struct start *start, uint32_t *detail);
