/* Errors are values. A function that can fail returns a tt_status (0 = success) and, when the caller passes a
 * tt_error, fills it with a message that says what is wrong, where, and how to mend it:
 *
 *     quickstart.yaml:41:7: attacks.clid.alpha is 1.4: must be between 0 and 1
 *
 * Libraries never exit, abort or print. This header is part of the plugin ABI: plain data, nothing to link.
 */
#ifndef TELLTALE_STATUS_H
#define TELLTALE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TT_EXPORT       __attribute__((visibility("default")))
#define TT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define TT_EXPORT
#define TT_PRINTF(f, a)
#endif
/* marks a function of libtelltale.so */
#define TT_API TT_EXPORT

typedef enum tt_status {
    TT_OK = 0,
    TT_ERR_INVALID = 1,     /* a value is wrong: bad spec, bad parameter, bad argument */
    TT_ERR_FORMAT = 2,      /* a file from outside is malformed */
    TT_ERR_IO = 3,          /* the operating system refused: open, read, write, disk full */
    TT_ERR_NOT_FOUND = 4,   /* a named thing does not exist */
    TT_ERR_EXISTS = 5,      /* a named thing exists already */
    TT_ERR_MEMORY = 6,      /* out of memory, or over a limit on memory */
    TT_ERR_UNSUPPORTED = 7, /* valid, but we do not do it */
    TT_ERR_REFUSED = 8,     /* access was not granted, or a budget is spent */
    TT_ERR_INTERRUPTED = 9, /* the user asked to stop */
    TT_ERR_CRASHED = 10,    /* a child process died or hung */
    TT_ERR_INTERNAL = 11    /* our own bug */
} tt_status;

#define TT_ERROR_MESSAGE_MAX 1024

/* Zero-initialise. Owned by the caller; holds no resource. */
typedef struct tt_error {
    tt_status code;
    char message[TT_ERROR_MESSAGE_MAX];
} tt_error;

/* Fills `err` (which may be NULL) and returns `code`, so that `return tt_fail(err, …)` reads well. A longer
 * message is cut. */
TT_API tt_status tt_fail(tt_error *err, tt_status code, const char *format, ...) TT_PRINTF(3, 4);

/* Puts "context: " before the message of a failed call and returns its code; for naming the place on the way
 * up. */
TT_API tt_status tt_fail_in(tt_error *err, const char *format, ...) TT_PRINTF(2, 3);

/* Puts "; remedy" behind the message of a failed call and returns `code`: for the remedy that all failures of
 * one reader share. */
TT_API tt_status tt_fail_hint(tt_error *err, tt_status code, const char *remedy);

/* A short constant name, "invalid", "io", … */
TT_API const char *tt_status_name(tt_status code);

#ifdef __cplusplus
}
#endif
#endif
