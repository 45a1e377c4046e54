/* models.ROLE.price: what a model costs that is paid for. */
#include "experiment/spec_internal.h"

#include <string.h>

static tt_status read_currency(const tt_spec_map *map, const char **currency)
{
    const tt_spec_reader *r = map->reader;
    const tt_node *node = tt_node_get(map->node, "currency");
    *currency = tt_spec_key_of(map->table, "currency")->default_value;
    if (node && node->kind != TT_NODE_NULL) {
        if (node->kind != TT_NODE_STRING || !node->text[0] || strlen(node->text) > 8)
            return tt_spec_note(
                r,
                tt_node_fail(node, r->err, "%s.currency must be a text of at most 8 bytes: USD", map->what));
        *currency = node->text;
    }
    if (r->spec->currency && strcmp(r->spec->currency, *currency) != 0)
        return tt_spec_note(r,
                            tt_node_fail(map->node, r->err,
                                         "%s is in %s, and another model's price in %s: they are added, so "
                                         "that all must be in one currency",
                                         map->what, *currency, r->spec->currency));
    r->spec->currency = *currency;
    return TT_OK;
}

tt_status tt_spec_read_price(const tt_spec_reader *r, const tt_node *model, const char *what,
                             tt_spec_price *price, tt_node *made)
{
    tt_arena *arena = r->spec->arena;
    tt_node *own = tt_made_map(arena);
    tt_spec_map map;
    if (!model) return TT_OK;
    tt_status s =
        tt_spec_map_open(r, model, "price", tt_spec_path(r, what, "price"), &tt_spec_table_price, &map);
    if (s || !map.node) return s;
    s = tt_spec_real(&map, "image", &price->image);
    if (!s) s = tt_spec_real(&map, "prediction", &price->prediction);
    if (!s) s = read_currency(&map, &price->currency);
    if (!s) s = tt_spec_resolve(r, own, "image", tt_made_real(arena, price->image));
    if (!s) s = tt_spec_resolve(r, own, "prediction", tt_made_real(arena, price->prediction));
    if (!s) s = tt_spec_resolve(r, own, "currency", tt_made_text(arena, price->currency));
    return s ? s : tt_spec_resolve(r, made, "price", own);
}
