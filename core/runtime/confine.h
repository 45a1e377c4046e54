/* What a process that runs attack code may see: by Landlock, where the kernel has it. It may read system
 * libraries, its plugin or program with its interpreter, and files that its parameters name; it writes no
 * file, and where the kernel can (ABI 4, 6) it opens no TCP connection and signals nobody outside. What it
 * was given as a descriptor (its channel, its log) stays usable. docs/channel.md says what is not covered. */
#ifndef TT_RUNTIME_CONFINE_H
#define TT_RUNTIME_CONFINE_H

#include "base/mem.h"
#include "runtime/program.h"

typedef struct tt_confine_need {
    const char *const *plugin_dirs; /* --plugin-dir; the registry's other folders are added */
    size_t n_plugin_dirs;
    const char *executable;      /* the process's own, which plugins are checked against; NULL: this one's */
    const tt_program *program;   /* NULL: a plugin */
    const char *const *readable; /* what the attack's parameters name */
    size_t n_readable;
    const char *const *hidden; /* never, even beneath what may be read: store, data, weights */
    size_t n_hidden;
} tt_confine_need;

enum { TT_CONFINE_READ = 1, TT_CONFINE_LIST = 2, TT_CONFINE_RUN = 4, TT_CONFINE_DEVICE = 8 };

/* The version of Landlock that the kernel offers; 0: none. */
TT_API int tt_confine_abi(void);
/* What such a process may open: (u32 of TT_CONFINE_…, text absolute path) one after another, each with all
 * that lies beneath it. A folder with something hidden beneath it is replaced by what else it has. Free
 * `rules` in any case. */
TT_API tt_status tt_confine_rules(const tt_confine_need *need, tt_buf *rules, tt_error *err);
/* Confines this process and all that it starts, for good. Call it before there is a second thread. No
 * Landlock: does nothing, and is no error; any other obstacle is one. */
TT_API tt_status tt_confine_enter(const void *rules, size_t size, tt_error *err);

#endif
