/* run.json: what of a run is no function of its spec. */
#include "base/file.h"
#include "experiment/results.h"
#include "formats/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_meter(tt_buf *out, const tt_meter *m)
{
    tt_buf_printf(
        out,
        "{\"predictions\": %llu, \"encodes\": %llu, \"decodes\": %llu, \"texts\": %llu, \"images\": %llu, "
        "\"service_texts\": %llu, \"service_predictions\": %llu}",
        (unsigned long long)m->predictions, (unsigned long long)m->encodes, (unsigned long long)m->decodes,
        (unsigned long long)m->texts, (unsigned long long)m->images, (unsigned long long)m->service_texts,
        (unsigned long long)m->service_predictions);
}

/* Of a device only where there are any. */
static void put_peaks(tt_buf *out, const tt_run_info *info, bool of_device)
{
    size_t n = 0;
    for (size_t i = 0; i < info->n_peaks; i++) {
        double mib = of_device ? info->peaks[i].device_mib : info->peaks[i].mib;
        if (of_device && mib <= 0) continue;
        const char *key = of_device ? ",\n  \"device_memory_mib\": {" : ",\n  \"memory_mib\": {";
        tt_buf_printf(out, "%s", n++ ? ", " : key);
        tt_json_quote(out, info->peaks[i].name);
        tt_buf_printf(out, ": %.1f", mib);
    }
    if (n) tt_buf_printf(out, "}");
}

tt_status tt_run_info_write(const tt_run_info *info, const char *path, tt_error *err)
{
    tt_buf out = {0};
    tt_buf_printf(&out, "{\n  \"build\": ");
    tt_json_quote(&out, info->build ? info->build : "");
    tt_buf_printf(&out, ",\n  \"host\": ");
    tt_json_quote(&out, info->host_name ? info->host_name : "");
    if (info->landlock != TT_CONFINED_UNKNOWN) tt_buf_printf(&out, ",\n  \"landlock\": %d", info->landlock);
    if (info->currency) {
        tt_buf_printf(&out, ",\n  \"currency\": ");
        tt_json_quote(&out, info->currency);
    }
    tt_buf_printf(&out, ",\n  \"seconds\": %.3f,\n  \"resumed\": %u,\n  \"steps\": [", info->seconds,
                  info->resumed);
    for (size_t i = 0; i < info->n_steps; i++) {
        tt_buf_printf(&out, "%s\n    {\"attack\": ", i ? "," : "");
        tt_json_quote(&out, info->steps[i].attack);
        tt_buf_printf(&out, ", \"role\": ");
        tt_json_quote(&out, info->steps[i].role);
        tt_buf_printf(&out, ", \"seconds\": %.3f, \"executed\": ", info->steps[i].seconds);
        put_meter(&out, &info->steps[i].executed);
        if (info->currency)
            tt_buf_printf(&out, ", \"money\": %.9f, \"money_asked\": %.9f",
                          (double)info->steps[i].executed.money / TT_MONEY_UNIT,
                          (double)info->steps[i].money_asked / TT_MONEY_UNIT);
        tt_buf_printf(&out, "}");
    }
    tt_buf_printf(&out, "\n  ]");
    put_peaks(&out, info, false);
    put_peaks(&out, info, true);
    tt_buf_printf(&out, "\n}\n");
    tt_status s = out.failed ? tt_fail(err, TT_ERR_MEMORY, "out of memory for %s", path)
                             : tt_file_write(path, out.data, out.size, err);
    tt_buf_free(&out);
    return s;
}

const char *tt_run_money(const tt_run_info *info, char text[96])
{
    double spent = 0, asked = 0;
    if (!info->currency) return NULL;
    for (size_t i = 0; i < info->n_steps; i++) {
        spent += (double)info->steps[i].executed.money / TT_MONEY_UNIT;
        asked += (double)info->steps[i].money_asked / TT_MONEY_UNIT;
    }
    snprintf(text, 96, "money: %.4f %.8s (%.4f without sharing)", spent, info->currency, asked);
    return text;
}

const char *tt_run_confinement(const tt_run_info *info, char text[96])
{
    if (info->landlock == TT_CONFINED_UNKNOWN) return NULL;
    if (info->landlock == TT_CONFINED_IN_PROCESS) return "workers not confined: in process";
    if (info->landlock <= 0) return "workers not confined: the kernel has no Landlock";
    snprintf(text, 96, "workers confined by Landlock (ABI %d)", info->landlock);
    return text;
}

/* ---- reading ---- */

static double real_of(const tt_node *map, const char *key)
{
    const tt_node *n = tt_node_get(map, key);
    if (n && n->kind == TT_NODE_FLOAT) return n->value.real;
    return n && n->kind == TT_NODE_INT ? (double)n->value.integer : 0;
}

static uint64_t count_of(const tt_node *map, const char *key)
{
    const tt_node *n = map ? tt_node_get(map, key) : NULL;
    return n && n->kind == TT_NODE_INT && n->value.integer > 0 ? (uint64_t)n->value.integer : 0;
}

static uint64_t money_of(const tt_node *map, const char *key)
{
    double amount = real_of(map, key);
    return amount > 0 && amount < 1e10 ? (uint64_t)llround(amount * TT_MONEY_UNIT) : 0;
}

static const char *text_of(const tt_node *map, const char *key)
{
    const tt_node *n = tt_node_get(map, key);
    return n && n->kind == TT_NODE_STRING ? n->text : "";
}

static void read_peaks(const tt_node *memory, tt_run_info *info)
{
    if (!memory || memory->kind != TT_NODE_MAP) return;
    for (const tt_node *n = memory->children; n && info->n_peaks < TT_RUN_PEAKS_MAX; n = n->next)
        info->peaks[info->n_peaks++] = (tt_run_peak){.name = n->key, .mib = real_of(memory, n->key)};
}

static void read_device_peaks(const tt_node *memory, tt_run_info *info)
{
    for (size_t i = 0; i < info->n_peaks && memory && memory->kind == TT_NODE_MAP; i++)
        if (tt_node_get(memory, info->peaks[i].name))
            info->peaks[i].device_mib = real_of(memory, info->peaks[i].name);
}

tt_status tt_run_info_read(const char *path, tt_run_info *info, tt_error *err)
{
    *info = (tt_run_info){.arena = tt_arena_create(0)};
    if (!info->arena) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    tt_node *root = NULL;
    tt_status s = tt_json_read(info->arena, path, (size_t)1 << 26, &root, err);
    const tt_node *steps = s ? NULL : tt_node_get(root, "steps");
    if (!s && (!steps || steps->kind != TT_NODE_LIST))
        s = tt_fail(err, TT_ERR_FORMAT, "%s: is no run.json of telltale", path);
    if (!s) info->steps = tt_arena_alloc_array(info->arena, steps->n_children, sizeof *info->steps);
    if (!s && !info->steps) s = tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    if (s) {
        tt_run_info_free(info);
        return s;
    }
    info->build = text_of(root, "build");
    info->host_name = text_of(root, "host");
    const tt_node *landlock = tt_node_get(root, "landlock");
    info->landlock = landlock && landlock->kind == TT_NODE_INT && landlock->value.integer >= -1 &&
                             landlock->value.integer < 1000
                         ? (int)landlock->value.integer
                         : TT_CONFINED_UNKNOWN;
    info->seconds = real_of(root, "seconds");
    const tt_node *currency = tt_node_get(root, "currency");
    info->currency = currency && currency->kind == TT_NODE_STRING ? currency->text : NULL;
    info->resumed = (uint32_t)count_of(root, "resumed");
    read_peaks(tt_node_get(root, "memory_mib"), info);
    read_device_peaks(tt_node_get(root, "device_memory_mib"), info);
    for (const tt_node *n = steps->children; n; n = n->next) {
        const tt_node *executed = tt_node_get(n, "executed");
        info->steps[info->n_steps++] =
            (tt_run_step){.attack = text_of(n, "attack"),
                          .role = text_of(n, "role"),
                          .seconds = real_of(n, "seconds"),
                          .money_asked = money_of(n, "money_asked"),
                          .executed = {.predictions = count_of(executed, "predictions"),
                                       .encodes = count_of(executed, "encodes"),
                                       .decodes = count_of(executed, "decodes"),
                                       .texts = count_of(executed, "texts"),
                                       .images = count_of(executed, "images"),
                                       .service_texts = count_of(executed, "service_texts"),
                                       .service_predictions = count_of(executed, "service_predictions"),
                                       .money = money_of(n, "money")}};
    }
    return TT_OK;
}

void tt_run_info_free(tt_run_info *info)
{
    tt_arena_destroy(info->arena);
    *info = (tt_run_info){0};
}
