/* The mark that is used where none is given: an eye above three lines of text, invented for this project. */
#ifndef MARK_H
#define MARK_H

#include "telltale/plugin.h"

#define MARK_WIDTH  1951u
#define MARK_HEIGHT 2846u

/* rgba [MARK_HEIGHT][MARK_WIDTH][4]: (153, 0, 0) everywhere, straight alpha with smooth edges, 43 % of the
 * box opaque. */
void mark_draw(uint8_t *rgba);

#endif
