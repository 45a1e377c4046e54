/* A data plugin over a list of images: what coco, flickr, pokemon and laion_mi have in common. A plugin fills
 * `folder` and draws; the functions of its table are these. */
#ifndef LISTED_H
#define LISTED_H

#include "draw.h"

typedef struct listed {
    folder folder;
    drawn drawn;
    char *path; /* of the last item */
} listed;

void listed_close(void *data);
uint32_t listed_n_splits(void *data);
const char *listed_split_name(void *data, uint32_t split);
uint64_t listed_split_size(void *data, uint32_t split);
tt_status listed_item(void *data, uint32_t split, uint64_t index, tt_item *item, tt_error *err);
/* The parameters `splits` and `split_seed`, drawn from the whole list. */
tt_status listed_draw(listed *l, const tt_host *host, const tt_params *p, tt_error *err);

/* Which of several captions: the parameter `caption`. */
typedef enum caption_choice { CAPTION_FIRST, CAPTION_LONGEST, CAPTION_RANDOM } caption_choice;
typedef struct caption_chooser {
    caption_choice choice;
    uint64_t seed;
    uint32_t *lots; /* [n images] of the captions kept, for CAPTION_RANDOM */
    uint32_t *seen; /* [n images] captions offered so far */
} caption_chooser;
/* Once the folder is sorted. */
tt_status captions_begin(const listed *l, const tt_host *host, const tt_params *p, caption_chooser *c,
                         tt_error *err);
/* Offers the next caption of an image, white space at both ends cut off; the chosen one stays. */
tt_status captions_offer(listed *l, caption_chooser *c, size_t image, const char *text, size_t size,
                         tt_error *err);
void captions_end(caption_chooser *c);
/* Index of an image by its name; SIZE_MAX: the list does not have it. */
size_t listed_find(const listed *l, const char *name);

#define LISTED_PARAM_SPLIT_SEED                                                                              \
    {                                                                                                        \
        "split_seed", TT_PARAM_INT, "0", 0, 9007199254740992.0, NULL,                                        \
            "which draw; another one is another partition, such as a shadow's", 0                            \
    }
#define LISTED_PARAM_CAPTION                                                                                 \
    {                                                                                                        \
        "caption", TT_PARAM_CHOICE, "first", 0, 0, "first|longest|random",                                   \
            "which of an image's captions; random: drawn by split_seed and name", 0                          \
    }
#define LISTED_TABLE(open_)                                                                                  \
    {                                                                                                        \
        .size = sizeof(tt_data_plugin), .open = (open_), .close = listed_close, .n_splits = listed_n_splits, \
        .split_name = listed_split_name, .split_size = listed_split_size, .item = listed_item                \
    }

#endif
