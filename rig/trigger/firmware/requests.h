/* What the host asks for, and the answers. */
#pragma once

/* Obey a request that has come. */
void requests_look(void);

/* Write the next message when there is room: an answer, else events. */
void answers_look(void);

/* Say BOOT. */
void answers_begin(void);
