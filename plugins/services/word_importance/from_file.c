/* Weights that somebody computed elsewhere: {"caption": [["word", weight], …], …}. */
#include "base/mem.h"
#include "formats/json.h"
#include "word_importance.h"

#include <math.h>
#include <string.h>

#define FILE_MOST ((size_t)1 << 28)

static double number_of(const tt_node *n)
{
    return n->kind == TT_NODE_INT ? (double)n->value.integer : n->kind == TT_NODE_FLOAT ? n->value.real : NAN;
}

static tt_status check_record(const tt_node *record, const char *path, tt_error *err)
{
    bool good = record->kind == TT_NODE_LIST;
    for (const tt_node *pair = record->children; pair && good; pair = pair->next)
        good = pair->kind == TT_NODE_LIST && pair->n_children == 2 &&
               pair->children->kind == TT_NODE_STRING && isfinite(number_of(pair->children->next));
    return good ? TT_OK
                : tt_fail(err, TT_ERR_FORMAT, "%s: caption \"%.60s\": must be a list of [word, weight] pairs",
                          path, record->key);
}

tt_status words_open_file(words_service *w, const char *path, tt_error *err)
{
    tt_node *root;
    w->arena = tt_arena_create(0);
    if (!w->arena) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    tt_status s = tt_json_read(w->arena, path, FILE_MOST, &root, err);
    if (!s && root->kind != TT_NODE_MAP)
        s = tt_fail(err, TT_ERR_FORMAT, "%s: must be a map of captions to lists of [word, weight] pairs",
                    path);
    for (const tt_node *record = s ? NULL : root->children; record && !s; record = record->next)
        s = check_record(record, path, err);
    if (s) return s;
    w->records = root;
    w->file = path;
    return TT_OK;
}

/* Does the caption, white space aside, consist of the pieces? */
static bool is_caption(const char *caption, const tt_text *text)
{
    for (uint32_t i = 0; i < text->n_pieces; i++) {
        const char *piece = text->pieces[i].text;
        size_t n = piece ? strlen(piece) : 0;
        caption += strspn(caption, " \t\n\v\f\r");
        if (!n || strncmp(caption, piece, n) != 0) return false;
        caption += n;
    }
    return caption[strspn(caption, " \t\n\v\f\r")] == '\0';
}

/* The record's words in their order, each found in a word of the caption (its record may lack punctuation); a
 * word without a record weighs 0. */
tt_status words_look_up(const words_service *w, const tt_text *text, double *weights, tt_error *err)
{
    const tt_node *record = w->records->children;
    while (record && !is_caption(record->key, text))
        record = record->next;
    if (!record)
        return tt_fail(
            err, TT_ERR_NOT_FOUND,
            "%s has no weights for a caption that begins with \"%.40s\": add it, or leave its sample out",
            w->file, text->n_pieces && text->pieces[0].text ? text->pieces[0].text : "");
    const tt_node *pair = record->children;
    for (uint32_t i = 0; i < text->n_pieces; i++) {
        bool found = pair && strstr(text->pieces[i].text, pair->children->text);
        weights[i] = found ? number_of(pair->children->next) : 0;
        if (found) pair = pair->next;
    }
    return pair ? tt_fail(err, TT_ERR_FORMAT,
                          "%s: caption \"%.60s\": its word \"%.30s\" is not where the list has it", w->file,
                          record->key, pair->children->text)
                : TT_OK;
}
