/* A folder of images with captions, as a sorted list. Shared by the data plugins over folders: imagefolder,
 * dtu, aau, pokemon, and, with lists of their own, coco, flickr and laion_mi. */
#ifndef FOLDER_H
#define FOLDER_H

#include "base/mem.h"
#include "telltale/plugin.h"

typedef struct folder_image {
    const char *name; /* path inside the folder: its id */
    const char *caption, *identity;
    bool described; /* a metadata row names it */
} folder_image;

typedef struct folder {
    char *path;
    tt_arena *arena;
    folder_image *images; /* sorted by name, byte by byte */
    size_t n, capacity;
} folder;

typedef struct folder_options {
    const char *caption_column;  /* NULL: text, else caption, whichever is there */
    const char *identity_column; /* NULL: identities are not read */
} folder_options;

/* All .jpg, .jpeg, .png and .webp below `path` (hidden ones left out, 16 folders deep at most). Captions come
 * from metadata.jsonl or metadata.csv in the images' folder or one above it, with paths relative to the
 * metadata's folder; where no metadata row names an image, from a .txt file of its name. A metadata row
 * without its image, two rows for one image, a path that leaves the folder, text that is not UTF-8: errors
 * that name file and line. */
tt_status folder_open(const char *path, const folder_options *options, folder *f, tt_error *err);
void folder_close(folder *f);

/* For lists that come from elsewhere than the folder itself: begin, add images in any order, sort. `path`
 * must be a folder; names that leave it are refused by folder_add. */
tt_status folder_begin(const char *path, folder *f, tt_error *err);
tt_status folder_add(folder *f, const char *name, tt_error *err);
/* Refuses an empty list and a name that stands there twice. */
tt_status folder_sort(folder *f, tt_error *err);
/* No way out of the folder: relative, and no part of it "..". */
bool folder_holds(const char *name);

/* folder_metadata.c */
tt_status folder_read_metadata(folder *f, const char *inside, const folder_options *options, tt_error *err);

#endif
