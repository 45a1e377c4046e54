/* Writes a split of the faces plugin for training: SPLIT.rgb (images one after another, 8-bit RGB rows) and
 * SPLIT.jsonl (id, caption and the plugin's extra of each).
 *   export_faces FACES.so FOLDER SIZE INSTITUTION WORLD_SEED SPLIT COUNT */
#include "formats/json.h"
#include "plugin/registry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static tt_status write_item(const tt_item *item, FILE *rgb, FILE *lines, tt_error *err)
{
    tt_buf line = {0};
    size_t bytes = (size_t)item->pixels.width * item->pixels.height * 3;
    bool ok = tt_buf_printf(&line, "{\"id\":") && tt_json_quote(&line, item->id) &&
              tt_buf_printf(&line, ",\"caption\":") && tt_json_quote(&line, item->caption) &&
              tt_buf_printf(&line, ",\"extra\":%s}\n", item->extra);
    ok = ok && fwrite(line.data, 1, line.size, lines) == line.size &&
         fwrite(item->pixels.rgb, 1, bytes, rgb) == bytes;
    tt_buf_free(&line);
    return ok ? TT_OK : tt_fail(err, TT_ERR_IO, "%s could not be written: is the disk full?", item->id);
}

static tt_status write_all(const tt_data_plugin *plugin, void *data, const char *folder, tt_error *err)
{
    char path[4096];
    const char *split = plugin->split_name(data, 0);
    snprintf(path, sizeof path, "%s/%s.rgb", folder, split);
    FILE *rgb = fopen(path, "wb");
    snprintf(path, sizeof path, "%s/%s.jsonl", folder, split);
    FILE *lines = fopen(path, "wb");
    tt_status status = rgb && lines ? TT_OK : tt_fail(err, TT_ERR_IO, "%s could not be opened", path);
    for (uint64_t i = 0; !status && i < plugin->split_size(data, 0); i++) {
        tt_item item = {.size = sizeof item};
        status = plugin->item(data, 0, i, &item, err);
        if (!status) status = write_item(&item, rgb, lines, err);
    }
    if (rgb && fclose(rgb) != 0 && !status) status = tt_fail(err, TT_ERR_IO, "%s: writing failed", split);
    if (lines && fclose(lines) != 0 && !status) status = tt_fail(err, TT_ERR_IO, "%s: writing failed", path);
    return status;
}

static tt_status export_split(char **argv, tt_error *err)
{
    char yaml[512];
    int n = snprintf(yaml, sizeof yaml,
                     "{\"size\": %s, \"institution\": \"%s\", \"world_seed\": %s, \"splits\": {\"%s\": %s}}",
                     argv[3], argv[4], argv[5], argv[6], argv[7]);
    tt_plugin_file *file = NULL;
    tt_params *params = NULL;
    tt_node *root;
    void *data = NULL;
    const tt_data_plugin *plugin = NULL;
    tt_arena *arena = tt_arena_create(0);
    tt_status status = arena ? tt_json_parse(arena, "arguments", yaml, (size_t)n, &root, err) : TT_ERR_MEMORY;
    if (!status) status = tt_plugin_file_open(argv[1], &file, err);
    if (!status) {
        const tt_plugin_entry *entry = tt_plugin_file_entry(file);
        plugin = entry->get(TT_KIND_DATA, "faces");
        status = tt_params_parse(entry->info(0), root, "faces", ".", NULL, 0, &params, err);
    }
    if (!status) status = plugin->open(params, 0, &data, err);
    if (!status) status = write_all(plugin, data, argv[2], err);
    if (data) plugin->close(data);
    tt_params_free(params);
    tt_plugin_file_close(file);
    tt_arena_destroy(arena);
    return status;
}

int main(int argc, char **argv)
{
    tt_error err = {0};
    if (argc != 8) {
        fprintf(stderr, "usage: export_faces FACES.so FOLDER SIZE INSTITUTION WORLD_SEED SPLIT COUNT\n");
        return 2;
    }
    if (export_split(argv, &err)) {
        fprintf(stderr, "export_faces: %s\n", err.message);
        return 1;
    }
    return 0;
}
