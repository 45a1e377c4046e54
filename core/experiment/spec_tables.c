/* The keys of the spec's own, in one place: what reads a spec and what prints its schema take types, ranges,
 * choices and defaults from here. */
#include "experiment/spec_tables.h"

#include <string.h>

#define TABLE(name, rows) const tt_spec_table name = {rows, sizeof(rows) / sizeof *(rows)}

static const tt_spec_key top[] = {
    {"version", TT_KEY_INT, NULL, 1, 1, NULL, true, "version of the spec language"},
    {"base", TT_KEY_BASE, NULL, 0, 0, NULL, false,
     "specs that this one starts from: a path or a list of paths; the later wins"},
    {"seed", TT_KEY_INT, "1", 0, 9223372036854775807.0, NULL, false,
     "of every random draw: noise, order of samples, calibration splits, bootstraps (docs/randomness.md)"},
    {"data", TT_KEY_DATA, NULL, 0, 0, NULL, true, "data sets by name"},
    {"models", TT_KEY_MODELS, NULL, 0, 0, NULL, true,
     "models by role: target, shadow, control, and roles that an attack asks for"},
    {"services", TT_KEY_SERVICES, NULL, 0, 0, NULL, false,
     "the attacker's own models by name, which attacks ask beside the target: word_importance"},
    {"members", TT_KEY_SET, NULL, 0, 0, NULL, true, "DATASET.SPLIT: can these be told from the nonmembers?"},
    {"nonmembers", TT_KEY_SET, NULL, 0, 0, NULL, true, "DATASET.SPLIT that the target never saw"},
    {"threat_model", TT_KEY_THREAT_MODEL, NULL, 0, 0, NULL, true, "what the attacker may use"},
    {"attacks", TT_KEY_ATTACKS, NULL, 0, 0, NULL, true,
     "attacks by name; the name is the plugin's unless `plugin` says another"},
    {"device", TT_KEY_DEVICE, NULL, 0, 0, NULL, false, "where it is computed"},
    {"limits", TT_KEY_LIMITS, NULL, 0, 0, NULL, false, "what a plugin or a model may take"},
    {"controls", TT_KEY_CONTROLS, "on", 0, 0, NULL, false,
     "attacks that are added on the target, to show what others' success is worth: on, off, or a map; off is "
     "printed in every report (docs/controls.md)"},
    {"budgets", TT_KEY_BUDGETS, NULL, 0, 0, NULL, false,
     "what attacks may ask of the models that are judged"},
    {"report", TT_KEY_REPORT, NULL, 0, 0, NULL, false,
     "quantities that the run is made for: where the samples cannot carry one, it is refused before any "
     "work"},
    {"batch", TT_KEY_INT, "16", 1, 4096, NULL, false,
     "samples that are measured together and journalled as one record: what a kill can lose. Part of a "
     "step's "
     "key, for attributed counts depend on it; scores do not"},
    {"published", TT_KEY_PUBLISHED, NULL, 0, 0, NULL, false,
     "a paper's table, shown beside the run's own numbers"},
    {"sweep", TT_KEY_SWEEP, NULL, 0, 0, NULL, false, "many runs at once: what differs between them"},
    {"replication", TT_KEY_REPLICATION, NULL, 0, 0, NULL, false,
     "the same run many times, so that reports say how far its numbers carry; each cell of a sweep likewise"},
};
TABLE(tt_spec_table_top, top);

static const tt_spec_key data[] = {
    {"plugin", TT_KEY_PLUGIN, NULL, 0, 0, NULL, true, "a data plugin; `telltale ls data`"},
    {"transforms", TT_KEY_TRANSFORMS, NULL, 0, 0, NULL, false,
     "list of transforms, applied in this order to every image and caption before anything else sees them; "
     "those that exchange captions among images come last; `telltale ls transform`"},
    {"exif_orientation", TT_KEY_BOOL, "true", 0, 0, NULL, false, "turn images as their EXIF data say"},
    {"disjoint", TT_KEY_CHOICE, "pixels", 0, 0, "pixels|identity", false,
     "what two splits must not share: an image (equal pixels), or not even a person"},
    {"duplicates", TT_KEY_CHOICE, "refuse", 0, 0, "refuse|allow", false, "equal images within one split"},
};
TABLE(tt_spec_table_data, data);

static const tt_spec_key transform[] = {
    {"plugin", TT_KEY_PLUGIN, NULL, 0, 0, NULL, true, "a transform plugin; `telltale ls transform`"},
};
TABLE(tt_spec_table_transform, transform);

static const tt_spec_key model[] = {
    {"plugin", TT_KEY_PLUGIN, NULL, 0, 0, NULL, true, "a target plugin; `telltale ls target`"},
    {"members", TT_KEY_SET, NULL, 0, 0, NULL, false,
     "DATASET.SPLIT that the attacker's own model was trained on"},
    {"nonmembers", TT_KEY_SET, NULL, 0, 0, NULL, false, "DATASET.SPLIT that it was not trained on"},
    {"price", TT_KEY_PRICE, NULL, 0, 0, NULL, false,
     "what a model that is paid for costs; part of no key, so that another price measures nothing anew"},
};
TABLE(tt_spec_table_model, model);

static const tt_spec_key price[] = {
    {"image", TT_KEY_FLOAT, "0", 0, 1e4, NULL, false, "of an image that is generated or varied"},
    {"prediction", TT_KEY_FLOAT, "0", 0, 1e4, NULL, false,
     "of a noise prediction: one sample, one condition"},
    {"currency", TT_KEY_TEXT, "USD", 0, 0, NULL, false, "one for all models of a spec"},
};
TABLE(tt_spec_table_price, price);

static const tt_spec_key service[] = {
    {"plugin", TT_KEY_PLUGIN, NULL, 0, 0, NULL, true, "a service plugin; `telltale ls service`"},
};
TABLE(tt_spec_table_service, service);

static const tt_spec_key threat_model[] = {
    {"access", TT_KEY_ACCESS, NULL, 0, 0,
     "black-box|grey-box|white-box|generate|seed|vary|encode|decode|text|predict|attention|grad_input|"
     "grad_weights",
     true,
     "black-box (generate), grey-box (also seed, vary, encode, decode, text, predict), white-box (all), or a "
     "list of capabilities"},
    {"captions", TT_KEY_CHOICE, "known", 0, 0, "unknown|known", false,
     "unknown: attacks get no captions, and those that need them are refused"},
    {"auxiliary", TT_KEY_SETS, "all", 0, 0, "all|none", false,
     "data beside the candidates that the attacker has: all that the spec names, none, or a list of "
     "DATASET.SPLIT. A step that uses other data, as calibration on a shadow of other images does, is "
     "refused"},
};
TABLE(tt_spec_table_threat_model, threat_model);

static const tt_spec_key attack[] = {
    {"plugin", TT_KEY_PLUGIN, NULL, 0, 0, NULL, false, "an attack plugin; `telltale ls attack`"},
    {"exec", TT_KEY_PATH, NULL, 0, 0, NULL, false,
     "instead of a plugin: a program in any language that is the attack, a path from the spec's folder "
     "(docs/attacks-in-python.md)"},
    {"interpreter", TT_KEY_TEXT, NULL, 0, 0, NULL, false,
     "what runs `exec`: a name, looked for in PATH, or a path; without it its #! line says, and python3 runs "
     ".py"},
    {"calibration", TT_KEY_CHOICE, NULL, 0, 0, "none|split|shadow|cross", false,
     "where the attack's parameters and threshold come from. shadow: the protocol, and the default where the "
     "spec has a shadow with known images. split: a part of the target's own members and nonmembers, which "
     "are then not judged; a stronger attacker, labelled so in every table. cross: cross-validation on them, "
     "every sample judged by a fit that did not see it; labelled likewise. none: parameters as given and no "
     "threshold, so that the accuracy shown is the best one on these very data, labelled optimistic"},
    {"calibration_part", TT_KEY_FLOAT, "0.5", 0.01, 0.99, NULL, false,
     "the part of each class that calibrates, with calibration: split"},
    {"calibration_folds", TT_KEY_INT, "5", 2, 100, NULL, false,
     "parts, with calibration: cross; at most half the smaller class"},
};
TABLE(tt_spec_table_attack, attack);

static const tt_spec_key device[] = {
    {"backend", TT_KEY_PLUGIN, "cpu", 0, 0, NULL, false,
     "what computes (`telltale ls backends`), or auto: the first that can be used here, accelerators before "
     "processors; resolved specs name it"},
    {"threads", TT_KEY_INT, "0", 0, 1024, NULL, false,
     "of model hosts and of fitting; 0: all processors. Results are the same bytes for the same number"},
    {"index", TT_KEY_INT, "0", 0, 255, NULL, false, "which accelerator"},
    {"tf32", TT_KEY_BOOL, "false", 0, 0, NULL, false,
     "f32 products may be computed in TF32, with 10 bits of mantissa, where the accelerator has it"},
};
TABLE(tt_spec_table_device, device);

static const tt_spec_key limits[] = {
    {"answer_s", TT_KEY_FLOAT, "0", 0, 1e7, NULL, false,
     "seconds; a plugin that takes longer for one answer counts as hung and is killed; 0: no limit"},
    {"memory_mib", TT_KEY_INT, "0", 0, 1e9, NULL, false,
     "resident memory of each host and worker, in MiB, without mapped files: one that grows beyond it is "
     "killed and its step fails saying so, before the kernel picks a victim; 0: no limit; not with "
     "--in-process"},
    {"heartbeat_s", TT_KEY_FLOAT, "600", 0, 1e7, NULL, false,
     "seconds; a host or worker that owes an answer, while neither it nor any other uses the processor for "
     "so "
     "long, has hung: it is killed and its step fails. Raise it for models behind a network that may keep "
     "one "
     "waiting; 0: no limit; not with --in-process"},
    {"bad_samples", TT_KEY_FLOAT, "0", 0, 1, NULL, false,
     "share of a step's samples that may have a feature that is not a finite number; they are left out and "
     "told, beyond it the step fails. They are never averaged into anything"},
};
TABLE(tt_spec_table_limits, limits);

static const tt_spec_key controls[] = {
    {"blind", TT_KEY_BOOL, "true", 0, 0, NULL, false, "a classifier of the images alone"},
    {"captions_only", TT_KEY_BOOL, "true", 0, 0, NULL, false, "a classifier of the captions alone"},
    {"permuted_labels", TT_KEY_BOOL, "true", 0, 0, NULL, false,
     "each attack that is fitted, fitted again on permuted labels"},
    {"near_duplicates", TT_KEY_INT, "16", 0, 64, NULL, false,
     "images of two sets that look alike within this many of 256 bits are listed; 0: not searched"},
    {"fixed_caption", TT_KEY_TEXT, NULL, 0, 0, NULL, false,
     "each attack that reads captions, measured again with this one for every image; off unless it is said"},
};
TABLE(tt_spec_table_controls, controls);

static const tt_spec_key budgets[] = {
    {"queries_per_sample", TT_KEY_INT, "0", 0, 1e9, NULL, false,
     "predictions and generated images that one attack may ask of a model that is judged, for each sample. "
     "An "
     "attack that declares more is refused before any work (exit code 3), one that asks more all the same by "
     "the model's host; 0: no limit"},
    {"predictions", TT_KEY_INT, "0", 0, 1e15, NULL, false,
     "that the target may compute in the whole run or sweep, after sharing and over all resumptions. An "
     "attack "
     "that alone needs more is refused before any work; where several together do, the host refuses what is "
     "beyond, the step fails and keeps what it has, and a larger budget goes on from there; 0: no limit"},
    {"images", TT_KEY_INT, "0", 0, 1e15, NULL, false,
     "that the target may generate in the whole run or sweep; likewise; 0: no limit"},
    {"money", TT_KEY_FLOAT, "0", 0, 1e9, NULL, false,
     "that all models with a price may cost in the whole run or sweep, in the currency of their price; "
     "likewise, and never exceeded; 0: no limit"},
};
TABLE(tt_spec_table_budgets, budgets);

static const tt_spec_key report[] = {
    {"tpr_at_fpr", TT_KEY_RATES, NULL, 1e-6, 0.5, NULL, false,
     "FPRs at which the TPR must be resolvable, at most 5: 1/FPR non-members are needed. Those beside 0.1, "
     "0.01 and 0.001, which every report gives where it can, get columns of their own"},
    {"asr", TT_KEY_BOOL, "false", 0, 0, NULL, false,
     "every attack must have an accuracy at a threshold from its calibration, of at least 4 members and 4 "
     "non-members"},
};
TABLE(tt_spec_table_report, report);

static const tt_spec_key published[] = {
    {"file", TT_KEY_TEXT, NULL, 0, 0, NULL, true, "a CSV as results/published/README.md describes it"},
    {"table", TT_KEY_TEXT, NULL, 0, 0, NULL, true, "its column `table`, in quotes where it is a number"},
    {"dataset", TT_KEY_TEXT, NULL, 0, 0, NULL, false, "rows of this data set alone"},
    {"setting", TT_KEY_TEXT, NULL, 0, 0, NULL, false, "rows of this setting alone"},
};
TABLE(tt_spec_table_published, published);

static const tt_spec_key sweep[] = {
    {"grid", TT_KEY_AXES, NULL, 0, 0, NULL, false, "every value of each axis with every value of the others"},
    {"zip", TT_KEY_AXES, NULL, 0, 0, NULL, false,
     "axes of equal length that advance together; combined with the grid"},
    {"name", TT_KEY_TEXT, NULL, 0, 0, NULL, false,
     "of cells, from ${axis}: an axis's key or its last part, a${attacks.clid.alpha}-s${seed}. Letters, "
     "digits "
     "and . _ = , + -, at most 120; without it all axes, alpha=0.1,seed=1. Two cells of one name are "
     "refused"},
    {"max_cells", TT_KEY_INT, "1000", 1, 1000000, NULL, false, "more cells are taken for a mistake"},
};
TABLE(tt_spec_table_sweep, sweep);

static const tt_spec_key replication[] = {
    {"attack_seeds", TT_KEY_COUNT_OR_VALUES, NULL, 1, 1000, NULL, false,
     "values of `seed`, or how many, counted on from it: the attack's noise, order and calibration splits "
     "are "
     "drawn anew on the same samples. Or names with sets of keys that draw less anew, such as "
     "{a: {attacks.clid.classifier_seed: 0}, b: {attacks.clid.classifier_seed: 1}}"},
    {"splits", TT_KEY_COUNT_OR_VALUES, NULL, 1, 1000, NULL, false,
     "values of `split_seed` of the data sets of members and nonmembers, or how many, counted on from it; or "
     "names with sets of keys: other samples of the same source. The target must have seen every draw of the "
     "members and none of the nonmembers"},
    {"trainings", TT_KEY_VALUES, NULL, 0, 0, NULL, false,
     "values of `models.target.path`, or names with sets of keys (path, members, nonmembers): other models "
     "that were trained in the same way"},
};
TABLE(tt_spec_table_replication, replication);

const tt_spec_key *tt_spec_key_of(const tt_spec_table *table, const char *key)
{
    for (size_t i = 0; i < table->n; i++)
        if (strcmp(table->rows[i].key, key) == 0) return &table->rows[i];
    return NULL;
}

size_t tt_spec_table_names(const tt_spec_table *table, const char *names[TT_SPEC_TABLE_MAX])
{
    for (size_t i = 0; i < table->n; i++)
        names[i] = table->rows[i].key;
    return table->n;
}

bool tt_spec_choice_next(const char **choices, char name[64])
{
    if (!*choices || !**choices) return false;
    size_t n = strcspn(*choices, "|");
    if (n > 63) n = 63;
    memcpy(name, *choices, n);
    name[n] = '\0';
    *choices += strcspn(*choices, "|");
    *choices += **choices == '|';
    return true;
}
