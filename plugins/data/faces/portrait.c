#include "portrait.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct word_list {
    const char *name; /* in JSON */
    int count;
    const char *const *words;
} word_list;

#define WORDS(json, ...)                                                                                     \
    {                                                                                                        \
        json, (int)(sizeof(const char *[]){__VA_ARGS__} / sizeof(char *)), (const char *const[])             \
        {                                                                                                    \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }

/* Every word is one piece of CLIP's vocabulary, so that captions stay short and every attribute weighs alike.
 * Reordering or inserting values changes every portrait: raise the plugin's revision. */
static const word_list lists[N_ATTRIBUTES] = {
    [FIRST_NAME] =
        WORDS("first_name", "alma", "anna", "ben", "carl", "clara", "dan", "emma", "eric", "eva", "finn",
              "frank", "george", "hanna", "helen", "henry", "ida", "ivan", "jack", "jane", "joan", "john",
              "julia", "karl", "kate", "lara", "laura", "leo", "lily", "lisa", "lucas", "maria", "martin",
              "mary", "max", "mia", "nina", "nora", "olga", "oscar", "otto", "paul", "peter", "rosa", "ruth",
              "sara", "simon", "sofia", "sven", "theo", "tom", "vera", "victor"),
    [LAST_NAME] =
        WORDS("last_name", "abel", "bach", "baker", "bell", "berg", "carter", "chen", "cole", "cook", "cruz",
              "dale", "dean", "diaz", "dunn", "evans", "fox", "frost", "hall", "hart", "hill", "holm", "hunt",
              "jensen", "jones", "kaur", "khan", "kim", "klein", "lane", "larsen", "lee", "lopez", "marsh",
              "meyer", "moore", "nash", "nielsen", "olsen", "park", "patel", "perez", "reed", "rossi", "ryan",
              "sato", "shaw", "silva", "singh", "smith", "stone", "vega", "wang", "ward", "weber"),
    [AGE] = WORDS("age", "young", "old"),
    [FACE_SHAPE] = WORDS("face_shape", "oval", "round", "square", "long", "heart"),
    [SKIN] = WORDS("skin", "pale", "fair", "tan", "olive", "brown", "dark"),
    [HAIR_COLOUR] = WORDS("hair_colour", "black", "brown", "blond", "red", "grey", "white"),
    [HAIR_STYLE] = WORDS("hair_style", "shaved", "short", "curly", "bob", "long", "tied", "wavy"),
    [EYE_COLOUR] = WORDS("eyes", "brown", "blue", "green", "amber", "grey"),
    [GLASSES] = WORDS("glasses", "", "round glasses", "square glasses", "sunglasses"),
    [FACIAL_HAIR] = WORDS("facial_hair", "", "moustache", "short beard", "full beard"),
    [EXPRESSION] = WORDS("expression", "serious", "smiling", "laughing", "surprised", "sad"),
    [HEADWEAR] = WORDS("headwear", "", "cap", "beanie", "hat", "headband"),
    [HEADWEAR_COLOUR] =
        WORDS("headwear_colour", "red", "orange", "yellow", "green", "blue", "purple", "black", "white"),
    [EARRINGS] = WORDS("earrings", "", "gold", "silver", "pearl", "ruby"),
    [GARMENT] = WORDS("garment", "shirt", "suit", "sweater", "hoodie", "striped top", "dress"),
    [GARMENT_COLOUR] = WORDS("garment_colour", "red", "orange", "yellow", "green", "teal", "blue", "purple",
                             "pink", "brown", "black", "white"),
    [BACKGROUND] = WORDS("background", "plain", "fading", "striped", "dotted", "checked", "window"),
    [BACKGROUND_COLOUR] = WORDS("background_colour", "grey", "white", "red", "orange", "yellow", "green",
                                "teal", "blue", "purple", "pink"),
};

int attribute_count(attribute which)
{
    return lists[which].count;
}

const char *attribute_name(attribute which)
{
    return lists[which].name;
}

const char *attribute_word(attribute which, int value)
{
    return lists[which].words[value];
}

const char *institution_name(institution where)
{
    static const char *const names[] = {"north", "south", "wild"};
    return names[where];
}

/* ---- drawing lots ---- */

static tt_stream_key stream_key(uint64_t world_seed, const char *split, uint64_t index, const char *use)
{
    char what[320];
    snprintf(what, sizeof what, "%s/%" PRIu64 "/%s", split, index, use);
    return tt_purpose_key(world_seed, "faces", what);
}

portrait portrait_draw(uint64_t world_seed, const char *split, uint64_t index, institution where)
{
    portrait p = {.institution = where, .grain = stream_key(world_seed, split, index, "grain")};
    tt_stream_key key = stream_key(world_seed, split, index, "attributes");
    for (uint32_t a = 0; a < N_ATTRIBUTES; a++) {
        p.attributes[a] = (int)tt_keyed_below(&key, a, (uint64_t)lists[a].count);
    }
    key = stream_key(world_seed, split, index, "free");
    for (uint32_t f = 0; f < N_FREEDOMS; f++)
        p.free[f] = 2.0 * tt_keyed_uniform(&key, f) - 1.0;
    return p;
}

/* ---- words ---- */

static const char *word(const portrait *p, attribute which)
{
    return attribute_word(which, p->attributes[which]);
}

void portrait_caption(const portrait *p, char text[PORTRAIT_TEXT_MAX])
{
    static const char *const openings[] = {"a north headshot of", "a south headshot of",
                                           "a street snapshot of"};
    char glasses[40] = "", beard[40] = "", hat[40] = "", earrings[40] = "";
    if (p->attributes[GLASSES]) snprintf(glasses, sizeof glasses, ", %s", word(p, GLASSES));
    if (p->attributes[FACIAL_HAIR]) snprintf(beard, sizeof beard, ", %s", word(p, FACIAL_HAIR));
    if (p->attributes[HEADWEAR]) {
        snprintf(hat, sizeof hat, ", %s %s", word(p, HEADWEAR_COLOUR), word(p, HEADWEAR));
    }
    if (p->attributes[EARRINGS]) snprintf(earrings, sizeof earrings, ", %s earrings", word(p, EARRINGS));
    snprintf(text, PORTRAIT_TEXT_MAX,
             "%s %s %s, %s %s, %s face, %s skin, %s %s hair, %s eyes%s%s%s%s, %s %s, %s %s background",
             openings[p->institution], word(p, FIRST_NAME), word(p, LAST_NAME), word(p, EXPRESSION),
             word(p, AGE), word(p, FACE_SHAPE), word(p, SKIN), word(p, HAIR_STYLE), word(p, HAIR_COLOUR),
             word(p, EYE_COLOUR), glasses, beard, hat, earrings, word(p, GARMENT_COLOUR), word(p, GARMENT),
             word(p, BACKGROUND), word(p, BACKGROUND_COLOUR));
}

void portrait_extra(const portrait *p, int size, face_box box, char text[PORTRAIT_TEXT_MAX])
{
    int at = snprintf(text, PORTRAIT_TEXT_MAX,
                      "{\"size\":[%d,%d],\"boxes\":[[%d,%d,%d,%d]],\"attributes\":{\"institution\":\"%s\"",
                      size, size, box.x, box.y, box.width, box.height, institution_name(p->institution));
    for (attribute a = 0; a < N_ATTRIBUTES; a++) {
        const char *value = word(p, a);
        if (a == HEADWEAR_COLOUR && !p->attributes[HEADWEAR]) value = "";
        at += snprintf(text + at, (size_t)(PORTRAIT_TEXT_MAX - at), ",\"%s\":\"%s\"", attribute_name(a),
                       value[0] ? value : "none");
    }
    snprintf(text + at, (size_t)(PORTRAIT_TEXT_MAX - at), "}}");
}
