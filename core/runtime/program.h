/* A program that is an attack: a script or an executable that speaks a worker's channel (docs/channel.md), so
 * that an attack may be written in any language. */
#ifndef TT_RUNTIME_PROGRAM_H
#define TT_RUNTIME_PROGRAM_H

#include "base/hash.h"
#include "base/mem.h"

#define TT_PROGRAM_MAX_ARGUMENTS 4

typedef struct tt_program {
    const char *path;                           /* absolute */
    const char *argv[TT_PROGRAM_MAX_ARGUMENTS]; /* [interpreter, its argument,] path, NULL */
    const char *interpreter;                    /* absolute; NULL: the file runs by itself */
    char digest[65];                            /* SHA-256 of the file, hex */
} tt_program;

/* Finds out how `path` is run: by `interpreter` (a name or a path) when it is given, else as its #! line
 * says, else by python3 when it ends in .py, else by itself. Everything lives in `arena`. */
TT_API tt_status tt_program_find(tt_arena *arena, const char *path, const char *interpreter,
                                 tt_program *program, tt_error *err);
/* The folder with telltale.py that came with this library; NULL: none. */
TT_API const char *tt_program_python_dir(tt_arena *arena);
/* Becomes the program; argv as in tt_program. Comes back only with an error. */
TT_API tt_status tt_program_exec(char *const *argv, tt_error *err);

#endif
