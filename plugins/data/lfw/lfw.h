/* Labeled Faces in the Wild: a folder or the .tgz as distributed, and the lists of people and pairs that come
 * with it (specs/black-box-attacks.md 3.5). */
#ifndef LFW_H
#define LFW_H

#include "draw.h"

#define LFW_IMAGES 13233u
#define LFW_PEOPLE 5749u

typedef struct lfw_file {
    const uint8_t *data;
    size_t size;
} lfw_file;

/* PERSON/PERSON_0001.jpg at the end of `path`: *id points at it and *person_size is the person's bytes.
 * false: not a name of LFW's. */
bool lfw_name_parse(const char *path, const char **id, size_t *person_size);

/* archive.c: reads every image of a .tgz into f->arena; f->images sorted by name as folder_open leaves them,
 * (*files)[f->n] beside them, freed with tt_free. Entries that are not images of LFW's layout are passed
 * over; nothing is written to disk, so that no name in it can do harm. */
tt_status lfw_archive_open(const char *path, folder *f, lfw_file **files, tt_error *err);

/* lists.c: the people or pairs of a list, looked up in the folder. Errors name file and line. */
#define LFW_MAX_FOLDS 32

typedef struct lfw_list {
    uint32_t n_folds;
    uint8_t *fold;      /* [f->n] 1 + the fold of an image's person; 0: not in the list */
    const char **extra; /* [f->n] pairs alone: {"pairs": [{fold, same, with}]} of an image, or NULL */
} lfw_list;

tt_status lfw_people_read(const char *path, const folder *f, lfw_list *list, tt_error *err);
tt_status lfw_pairs_read(const char *path, const folder *f, lfw_list *list, tt_error *err);
void lfw_list_free(lfw_list *list);

#endif
