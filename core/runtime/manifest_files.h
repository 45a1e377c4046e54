/* Digests of image files that were read before, beside the manifest (DIR/files): a file whose size, inode and
 * times are the same is not decoded again. An image that changes all the same is noticed by the model host,
 * which hashes what it measures. */
#ifndef TT_RUNTIME_MANIFEST_FILES_H
#define TT_RUNTIME_MANIFEST_FILES_H

#include "base/hash.h"
#include "base/mem.h"
#include "formats/image.h"

typedef struct tt_known_file {
    uint64_t inode, size;
    int64_t modified_ns, changed_ns;
    uint32_t width, height;
    int orientation;
    tt_digest digest; /* of the pixels */
    tt_image_look look;
} tt_known_file;

typedef struct tt_known_files tt_known_files;

/* What DIR remembers; nothing, where it does not or cannot be understood. NULL: out of memory. */
tt_known_files *tt_known_files_load(const char *dir);
void tt_known_files_free(tt_known_files *k); /* NULL is fine */
/* Fills the first four members of *file from the file system; false: it cannot be looked at. */
bool tt_known_file_look(const char *path, tt_known_file *file);
/* What is known of a file that looks like this; NULL: nothing. */
const tt_known_file *tt_known_files_find(const tt_known_files *k, const char *path,
                                         const tt_known_file *look);
/* Remembers a file. One that was changed within the last seconds is left out, for it may change again within
 * the same tick of its clock. false: out of memory. */
bool tt_known_files_add(tt_known_files *k, const char *path, const tt_known_file *file);
/* Writes what was found or added since it was loaded. */
tt_status tt_known_files_write(const tt_known_files *k, const char *dir, tt_error *err);

#endif
