#include "lfw.h"

#include "base/file.h"
#include "formats/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX_BYTES ((size_t)16 << 20)
#define MAX_FIELDS     4

/* A text of lines with fields between tabs or blanks. */
typedef struct lines {
    const char *path;
    char *text, *next;
    size_t number;
    char *fields[MAX_FIELDS];
    size_t n_fields;
    tt_error *err;
} lines;

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for a list of people or pairs");
}

static tt_status wrong(const lines *l, const char *what)
{
    return tt_fail(l->err, TT_ERR_INVALID, "%s:%zu: %s", l->path, l->number, what);
}

static tt_status lines_open(const char *path, lines *l, tt_error *err)
{
    size_t size;
    *l = (lines){.path = path, .err = err};
    tt_status s = tt_file_read(path, LIST_MAX_BYTES, &l->text, &size, err);
    l->next = l->text;
    return s;
}

/* The next line that is not empty, in l->fields; n_fields 0 at the end. A field too many is one of the
 * line's errors: n_fields is then MAX_FIELDS + 1. */
static void advance(lines *l)
{
    for (l->n_fields = 0; l->n_fields == 0 && *l->next;) {
        char *line = l->next, *end = strchr(line, '\n'), *rest;
        l->next = end ? end + 1 : line + strlen(line);
        if (end) *end = '\0';
        l->number++;
        for (char *field = strtok_r(line, " \t\r", &rest); field; field = strtok_r(NULL, " \t\r", &rest)) {
            if (l->n_fields < MAX_FIELDS) l->fields[l->n_fields] = field;
            if (l->n_fields <= MAX_FIELDS) l->n_fields++;
        }
    }
}

static bool number(const char *text, size_t max, size_t *value)
{
    char *end;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    *value = v;
    return *end == '\0' && errno == 0 && v >= 1 && v <= max;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const folder_image *)a)->name, ((const folder_image *)b)->name);
}

/* Index of PERSON/PERSON_%04d.jpg, or f->n. */
static size_t find(const folder *f, const char *person, size_t which)
{
    char name[600];
    int n = snprintf(name, sizeof name, "%s/%s_%04zu.jpg", person, person, which);
    if (n < 0 || (size_t)n >= sizeof name) return f->n;
    folder_image key = {.name = name}, *found = bsearch(&key, f->images, f->n, sizeof key, by_name);
    return found ? (size_t)(found - f->images) : f->n;
}

/* ---- people ---- */

static tt_status take_person(lines *l, const folder *f, uint32_t fold, lfw_list *list)
{
    size_t wanted;
    if (l->n_fields != 2 || !number(l->fields[1], f->n + LFW_IMAGES, &wanted))
        return wrong(l, "a line must be a person and the number of images");
    size_t first = find(f, l->fields[0], 1), n = 0;
    if (first == f->n) return wrong(l, "there is no image 1 of this person");
    if (list->fold[first]) return wrong(l, "this person is in the list already");
    for (size_t i = first; i < f->n && strcmp(f->images[i].identity, l->fields[0]) == 0; i++, n++)
        list->fold[i] = (uint8_t)(fold + 1);
    if (n != wanted)
        return tt_fail(l->err, TT_ERR_INVALID, "%s:%zu: %s has %zu images by this list, and %zu are there",
                       l->path, l->number, l->fields[0], wanted, n);
    return TT_OK;
}

static tt_status take_people(lines *l, const folder *f, uint32_t fold, size_t n, lfw_list *list)
{
    for (size_t i = 0; i < n; i++, advance(l)) {
        if (l->n_fields == 0)
            return tt_fail(l->err, TT_ERR_INVALID, "%s: ends after %zu of %zu people", l->path, i, n);
        tt_status s = take_person(l, f, fold, list);
        if (s) return s;
    }
    return TT_OK;
}

/* N, then N people; or N folds, each with its own number before its people. */
static tt_status read_people(lines *l, const folder *f, lfw_list *list)
{
    size_t n;
    advance(l);
    if (l->n_fields != 1 || !number(l->fields[0], 1000000, &n))
        return wrong(l, "must begin with the number of people, or of folds");
    advance(l);
    list->n_folds = 1;
    if (l->n_fields != 1) return take_people(l, f, 0, n, list);
    if (n > LFW_MAX_FOLDS) return wrong(l, "more than 32 folds");
    list->n_folds = (uint32_t)n;
    for (uint32_t fold = 0; fold < list->n_folds; fold++) {
        if (l->n_fields != 1 || !number(l->fields[0], 1000000, &n))
            return wrong(l, "a fold must begin with its number of people");
        advance(l);
        tt_status s = take_people(l, f, fold, n, list);
        if (s) return s;
    }
    return TT_OK;
}

/* ---- pairs ---- */

typedef struct pair_texts {
    tt_buf *of; /* [f->n] the entries of an image's list */
} pair_texts;

static bool note(const folder *f, pair_texts *texts, size_t image, size_t other, uint32_t fold, bool same)
{
    tt_buf *out = &texts->of[image];
    return tt_buf_printf(out, "%s{\"fold\": %u, \"same\": %s, \"with\": ", out->size ? ", " : "", fold + 1,
                         same ? "true" : "false") &&
           tt_json_quote(out, f->images[other].name) && tt_buf_append(out, "}", 1);
}

static tt_status take_pair(lines *l, const folder *f, uint32_t fold, bool same, pair_texts *texts,
                           lfw_list *list)
{
    size_t a, b;
    if (l->n_fields != (same ? 3u : 4u))
        return wrong(l, same ? "a matched pair must be a person and two numbers"
                             : "a mismatched pair must be a person, a number, a person and a number");
    if (!number(l->fields[1], 9999, &a) || !number(l->fields[same ? 2 : 3], 9999, &b))
        return wrong(l, "the number of an image must be 1 to 9999");
    size_t i = find(f, l->fields[0], a), k = find(f, l->fields[same ? 0 : 2], b);
    if (i == f->n || k == f->n)
        return wrong(l, i == f->n ? "its first image is not there" : "its second image is not there");
    if (i == k) return wrong(l, "a pair of one image with itself");
    if (!same && strcmp(l->fields[0], l->fields[2]) == 0) return wrong(l, "a mismatched pair of one person");
    list->fold[i] = list->fold[k] = (uint8_t)(fold + 1);
    return note(f, texts, i, k, fold, same) && note(f, texts, k, i, fold, same) ? TT_OK : no_memory(l->err);
}

/* "FOLDS N" or "N"; then, for each fold, N matched and N mismatched pairs. */
static tt_status take_pairs(lines *l, const folder *f, pair_texts *texts, lfw_list *list)
{
    size_t folds = 1, n;
    advance(l);
    bool good = l->n_fields == 1 || l->n_fields == 2;
    good = good && number(l->fields[l->n_fields - 1], 1000000, &n);
    if (good && l->n_fields == 2) good = number(l->fields[0], LFW_MAX_FOLDS, &folds);
    if (!good) return wrong(l, "must begin with the number of pairs, or with folds (32 at most) and pairs");
    list->n_folds = (uint32_t)folds;
    for (size_t i = 0; i < folds * 2 * n; i++) {
        advance(l);
        if (l->n_fields == 0)
            return tt_fail(l->err, TT_ERR_INVALID, "%s: ends after %zu of %zu pairs", l->path, i,
                           folds * 2 * n);
        tt_status s = take_pair(l, f, (uint32_t)(i / (2 * n)), i / n % 2 == 0, texts, list);
        if (s) return s;
    }
    advance(l);
    return TT_OK;
}

static tt_status read_pairs(lines *l, const folder *f, lfw_list *list)
{
    pair_texts texts = {tt_alloc_zero((f->n + 1) * sizeof(tt_buf))};
    list->extra = tt_arena_alloc_array(f->arena, f->n + 1, sizeof *list->extra);
    tt_status s = texts.of && list->extra ? take_pairs(l, f, &texts, list) : no_memory(l->err);
    for (size_t i = 0; texts.of && i < f->n; i++) {
        if (!s && texts.of[i].size) {
            list->extra[i] = tt_arena_printf(f->arena, "{\"pairs\": [%s]}", texts.of[i].data);
            if (!list->extra[i]) s = no_memory(l->err);
        }
        tt_buf_free(&texts.of[i]);
    }
    tt_free(texts.of);
    return s;
}

/* ---- both ---- */

static tt_status read_list(const char *path, const folder *f, lfw_list *list, tt_error *err,
                           tt_status (*read)(lines *, const folder *, lfw_list *))
{
    lines l;
    *list = (lfw_list){.fold = tt_alloc_zero(f->n + 1)};
    tt_status s = list->fold ? lines_open(path, &l, err) : no_memory(err);
    if (s) return s;
    s = read(&l, f, list);
    if (!s && l.n_fields) s = wrong(&l, "a line more than the numbers at the beginning say");
    tt_free(l.text);
    return s;
}

tt_status lfw_people_read(const char *path, const folder *f, lfw_list *list, tt_error *err)
{
    return read_list(path, f, list, err, read_people);
}

tt_status lfw_pairs_read(const char *path, const folder *f, lfw_list *list, tt_error *err)
{
    return read_list(path, f, list, err, read_pairs);
}

void lfw_list_free(lfw_list *list)
{
    tt_free(list->fold);
    *list = (lfw_list){0};
}
