/* A portrait before it is drawn: captioned attributes, each drawn independently of all others, and free
 * quantities that no caption mentions (pose, proportions, light). A portrait is a function of (world seed,
 * split name, index, institution) alone. */
#ifndef FACES_PORTRAIT_H
#define FACES_PORTRAIT_H

#include "base/rng.h"

#include <stdint.h>

typedef enum institution { NORTH = 0, SOUTH, WILD } institution;

/* Captioned attributes. The order is part of the derivation: attribute k is element k of its stream. */
typedef enum attribute {
    FIRST_NAME = 0,
    LAST_NAME,
    AGE,
    FACE_SHAPE,
    SKIN,
    HAIR_COLOUR,
    HAIR_STYLE,
    EYE_COLOUR,
    GLASSES,
    FACIAL_HAIR,
    EXPRESSION,
    HEADWEAR,
    HEADWEAR_COLOUR,
    EARRINGS,
    GARMENT,
    GARMENT_COLOUR,
    BACKGROUND,
    BACKGROUND_COLOUR,
    N_ATTRIBUTES
} attribute;

enum { YOUNG = 0, OLD };
enum { OVAL = 0, ROUND, SQUARE, LONG, HEART };
enum { SHAVED = 0, SHORT, CURLY, BOB, LONG_HAIR, TIED, WAVY };
enum { NO_GLASSES = 0, ROUND_GLASSES, SQUARE_GLASSES, SUNGLASSES };
enum { NO_BEARD = 0, MOUSTACHE, SHORT_BEARD, FULL_BEARD };
enum { SERIOUS = 0, SMILING, LAUGHING, SURPRISED, SAD };
enum { NO_HAT = 0, CAP, BEANIE, HAT, HEADBAND };
enum { NO_EARRINGS = 0, GOLD, SILVER, PEARL, RUBY };
enum { SHIRT = 0, SUIT, SWEATER, HOODIE, STRIPED_TOP, DRESS };
enum { PLAIN = 0, FADING, STRIPED, DOTTED, CHECKED, WINDOW };

/* Free quantities, each uniform in [-1, 1). Their order, too, is part of the derivation. */
typedef enum freedom {
    SHIFT_X = 0,
    SHIFT_Y,
    SCALE,
    TILT,
    TURN,
    LIGHT_X,
    LIGHT_Y,
    BRIGHTNESS,
    EYE_DISTANCE,
    EYE_HEIGHT,
    EYE_SIZE,
    BROW_HEIGHT,
    BROW_SLANT,
    NOSE_LENGTH,
    MOUTH_HEIGHT,
    MOUTH_WIDTH,
    HAIRLINE,
    PARTING,
    SHOULDERS,
    PATTERN_X,
    PATTERN_Y,
    PATTERN_SIZE,
    GAZE,
    FRINGE,
    N_FREEDOMS
} freedom;

typedef struct portrait {
    institution institution;
    int attributes[N_ATTRIBUTES];
    double free[N_FREEDOMS];
    tt_stream_key grain; /* sensor grain: word i for sample i of the image */
} portrait;

portrait portrait_draw(uint64_t world_seed, const char *split, uint64_t index, institution where);

/* The number of values that an attribute has, its name in JSON, and the words of one value ("" : absent). */
int attribute_count(attribute which);
const char *attribute_name(attribute which);
const char *attribute_word(attribute which, int value);
const char *institution_name(institution where);

/* At most PORTRAIT_TEXT_MAX - 1 bytes each. */
#define PORTRAIT_TEXT_MAX 1024
void portrait_caption(const portrait *p, char text[PORTRAIT_TEXT_MAX]);

/* Box of the face in pixels, half-open: [x, x + width) × [y, y + height), inside the image. */
typedef struct face_box {
    int x, y, width, height;
} face_box;
void portrait_extra(const portrait *p, int size, face_box box, char text[PORTRAIT_TEXT_MAX]);

#endif
