#ifndef TT_PLUGIN_ELF_CHECK_H
#define TT_PLUGIN_ELF_CHECK_H

#include "base/mem.h"

/* TT_ERR_FORMAT says why the file at `path` is no shared object that this process could load. */
tt_status tt_elf_check(const char *path, tt_error *err);

#endif
