#include "base/problems.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static bool is_mistake(tt_status s)
{
    return s == TT_ERR_INVALID || s == TT_ERR_FORMAT || s == TT_ERR_NOT_FOUND || s == TT_ERR_EXISTS ||
           s == TT_ERR_UNSUPPORTED || s == TT_ERR_REFUSED;
}

static bool is_told(const tt_problems *p, const char *message)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->list[i].message, message) == 0) return true;
    for (size_t i = 0; i < p->n_muted; i++)
        if (strncmp(message, p->muted[i], strlen(p->muted[i])) == 0) return true;
    return false;
}

/* Room for one more of `n` entries. */
static bool grow(void **list, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity) return true;
    size_t more = *capacity ? 2 * *capacity : 8;
    void *grown = tt_realloc(*list, more * size);
    if (!grown) return false;
    *list = grown;
    *capacity = more;
    return true;
}

tt_status tt_problems_mute(tt_problems *p, const char *file, int line, int column)
{
    char place[TT_ERROR_MESSAGE_MAX];
    void *list = p->muted;
    snprintf(place, sizeof place, "%s:%d:%d: ", file ? file : "", line, column);
    if (!grow(&list, p->n_muted, &p->muted_capacity, sizeof *p->muted)) return TT_ERR_MEMORY;
    p->muted = list;
    p->muted[p->n_muted] = tt_strdup(place);
    if (!p->muted[p->n_muted]) return TT_ERR_MEMORY;
    p->n_muted++;
    return TT_OK;
}

tt_status tt_problems_note(tt_problems *p, tt_status s, const tt_error *err)
{
    if (s == TT_OK || !p || !is_mistake(s)) return s;
    if (is_told(p, err->message)) return TT_OK;
    if (p->n == TT_PROBLEMS_MAX) {
        p->n_dropped++;
        return TT_OK;
    }
    void *list = p->list;
    if (!grow(&list, p->n, &p->capacity, sizeof *p->list)) return TT_ERR_MEMORY;
    p->list = list;
    p->list[p->n] = *err;
    p->list[p->n++].code = s;
    return TT_OK;
}

tt_status tt_problems_status(const tt_problems *p, tt_error *err)
{
    if (p->n == 0) return TT_OK;
    if (!err) return p->list[0].code;
    err->code = p->list[0].code;
    size_t at = 0, i = 0;
    for (; i < p->n && at < sizeof err->message; i++)
        at += (size_t)snprintf(err->message + at, sizeof err->message - at, "%s%s", i ? "\n" : "",
                               p->list[i].message);
    return err->code;
}

void tt_problems_free(tt_problems *p)
{
    for (size_t i = 0; i < p->n_muted; i++)
        tt_free(p->muted[i]);
    tt_free(p->muted);
    tt_free(p->list);
    *p = (tt_problems){0};
}
