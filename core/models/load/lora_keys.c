#include "models/load/lora_internal.h"

#include <stdio.h>
#include <string.h>

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static tt_status refuse_other_methods(const char *path, const char *key, tt_error *err)
{
    static const struct {
        const char *part, *method;
        bool at_end;
    } others[] = {
        {".dora_scale", "DoRA", false},
        {".lora_magnitude_vector", "DoRA", false},
        {".hada_", "LoHa", false},
        {".lokr_", "LoKr", false},
        {".lora_mid.", "LoRA with a Tucker core", false},
        {".oft_", "OFT", false},
        {".lora_embedding_", "LoRA of an embedding", false},
        {".diff", "a full difference", true},
        {".diff_b", "a full difference", true},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].at_end ? ends_with(key, others[i].part) : strstr(key, others[i].part) != NULL)
            return tt_fail(err, TT_ERR_UNSUPPORTED,
                           "%s: %s is of another method (%s): only plain LoRA is merged", path, key,
                           others[i].method);
    return TT_OK;
}

/* Finds the end that gives the role, and the length of what stands before it. */
static bool split_role(const char *key, size_t *stem, tt_lora_role *role)
{
    static const struct {
        const char *end;
        tt_lora_role role;
    } ends[] = {
        {".lora_down.weight", TT_LORA_DOWN},
        {".lora_up.weight", TT_LORA_UP},
        {".lora.down.weight", TT_LORA_DOWN},
        {".lora.up.weight", TT_LORA_UP},
        {".lora_linear_layer.down.weight", TT_LORA_DOWN},
        {".lora_linear_layer.up.weight", TT_LORA_UP},
        {".lora_A.weight", TT_LORA_DOWN},
        {".lora_B.weight", TT_LORA_UP},
        {".alpha", TT_LORA_ALPHA},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(key, ends[i].end)) {
            *stem = strlen(key) - strlen(ends[i].end);
            *role = ends[i].role;
            return true;
        }
    /* PEFT may put the adapter's name between: lora_A.default.weight */
    const char *a = strstr(key, ".lora_A."), *b = strstr(key, ".lora_B."), *at = a ? a : b;
    if (!at || !ends_with(at, ".weight")) return false;
    const char *adapter = at + strlen(".lora_A.");
    if (strchr(adapter, '.') != key + strlen(key) - strlen(".weight")) return false;
    *stem = (size_t)(at - key);
    *role = a ? TT_LORA_DOWN : TT_LORA_UP;
    return true;
}

/* "….attn1.processor.to_q_lora.down.weight" → "….attn1.to_q" */
static bool split_processor(const char *key, char *module, size_t size, tt_lora_role *role)
{
    static const char middle[] = ".processor.";
    const char *at = strstr(key, middle);
    if (!at) return false;
    const char *what = at + strlen(middle), *end = strstr(what, "_lora.");
    if (!end) return false;
    if (strcmp(end, "_lora.down.weight") == 0)
        *role = TT_LORA_DOWN;
    else if (strcmp(end, "_lora.up.weight") == 0)
        *role = TT_LORA_UP;
    else
        return false;
    int length = (int)(end - what);
    bool out = length == 6 && strncmp(what, "to_out", 6) == 0;
    int n = snprintf(module, size, "%.*s.%.*s%s", (int)(at - key), key, length, what, out ? ".0" : "");
    return n > 0 && (size_t)n < size;
}

static bool strip(char *module, const char *prefix)
{
    size_t n = strlen(prefix);
    if (strncmp(module, prefix, n) != 0) return false;
    memmove(module, module + n, strlen(module + n) + 1);
    return true;
}

/* Which network, and the module's bare name. */
static void split_part(tt_lora_key *k)
{
    k->part = TT_LORA_UNET;
    if (strip(k->module, "lora_unet_")) {
        k->underscored = true;
    } else if (strip(k->module, "lora_te_")) {
        k->underscored = true;
        k->part = TT_LORA_TEXT;
    } else {
        strip(k->module, "base_model.model.");
        if (strip(k->module, "text_encoder."))
            k->part = TT_LORA_TEXT;
        else
            strip(k->module, "unet.");
        strip(k->module, "base_model.model.");
        if (strncmp(k->module, "text_model.", 11) == 0) k->part = TT_LORA_TEXT;
    }
}

tt_status tt_lora_key_parse(const char *path, const char *key, tt_lora_key *out, tt_error *err)
{
    *out = (tt_lora_key){0};
    tt_status s = refuse_other_methods(path, key, err);
    if (s) return s;
    size_t stem;
    if (strlen(key) >= sizeof out->module)
        return tt_fail(err, TT_ERR_FORMAT, "%s: key %.60s… is too long", path, key);
    if (!split_processor(key, out->module, sizeof out->module, &out->role)) {
        if (!split_role(key, &stem, &out->role))
            return tt_fail(err, TT_ERR_UNSUPPORTED, "%s: %s is no key of a LoRA file", path, key);
        memcpy(out->module, key, stem);
        out->module[stem] = '\0';
    }
    split_part(out);
    return TT_OK;
}
