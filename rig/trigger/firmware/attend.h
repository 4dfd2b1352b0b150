/* What cannot wait: the inputs, and bytes on the serial line. Whatever takes longer than 20 us comes here meanwhile. */
#pragma once

#include "inputs.h"
#include "link.h"

static inline void attend(void)
{
    inputs_look();
    link_move_bytes();
}
