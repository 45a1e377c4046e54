/* The captions file of Flickr30k in its forms, as rows of name and caption. */
#ifndef LIST_FILE_H
#define LIST_FILE_H

#include "listed.h"

typedef struct list_row {
    const char *name, *caption;
    size_t order; /* in the file */
} list_row;

typedef struct list_file {
    list_row *rows; /* sorted by name, an image's captions in the order of the file */
    size_t n, capacity;
    tt_arena *arena;
} list_file;

/* Told apart by the first line:
 *   1000092795.jpg#0 TAB caption                       (results_20130124.token)
 *   image_name| comment_number| comment                (results.csv)
 *   a CSV with columns filename and raw, a JSON list of captions; or image and caption
 * Errors name file and line. list_file_free follows in any case. */
tt_status list_file_read(const char *path, list_file *f, tt_error *err);
void list_file_free(list_file *f);

#endif
