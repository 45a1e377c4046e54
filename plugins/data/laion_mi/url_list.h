/* Rows of URL and caption, and where their images lie. */
#ifndef URL_LIST_H
#define URL_LIST_H

#include "folder.h"

typedef struct url_row {
    const char *url, *caption, *file; /* file: its name within the folder */
    const char *sha256;               /* of the file, lower-case hex; NULL: not known */
    bool member;
} url_row;

typedef struct url_list {
    tt_arena *arena;
    const char *folder;
    url_row *rows; /* after url_list_fill sorted by file */
    size_t n, capacity;
    url_row
        *downloads; /* what .json files of img2dataset say: url -> file, sorted by url; read when needed */
    size_t n_downloads;
    bool downloads_read;
} url_list;

typedef struct url_list_options {
    bool skip_missing, ascii_only;
    void (*log)(tt_log_level level, const char *format, ...) TT_PRINTF(2, 3);
} url_list_options;

/* `folder` must outlive the list. url_list_free follows in any case. */
tt_status url_list_begin(const char *folder, url_list *l, tt_error *err);
/* Reads a CSV: `url`, `caption` or `text`, and perhaps `file` and `sha256`. Without `file`, images are found
 * by the .json files that img2dataset writes beside them, which hold the URL. Rows whose image is not there
 * are errors, or skipped and counted. */
tt_status url_list_add(url_list *l, const char *path, bool member, const url_list_options *options,
                       tt_error *err);
/* The images into a folder that was begun; refuses one file of two rows. */
tt_status url_list_fill(url_list *l, folder *f, tt_error *err);
const url_row *url_list_row(const url_list *l, const char *file); /* it is there */
void url_list_free(url_list *l);

#endif
