/* The spec's own keys as tables. Shared by spec*.c and schema.c only. */
#ifndef TT_EXPERIMENT_SPEC_TABLES_H
#define TT_EXPERIMENT_SPEC_TABLES_H

#include <stdbool.h>
#include <stddef.h>

typedef enum tt_spec_key_type {
    TT_KEY_BOOL,
    TT_KEY_INT,    /* min..max */
    TT_KEY_FLOAT,  /* min..max */
    TT_KEY_RATES,  /* a list of numbers, each min..max */
    TT_KEY_CHOICE, /* one of `choices` */
    TT_KEY_ACCESS, /* one of `choices`, or a list of them */
    TT_KEY_SET,    /* DATASET.SPLIT */
    TT_KEY_SETS,   /* one of `choices`, or a list of DATASET.SPLIT */
    TT_KEY_PLUGIN, /* a plugin's name; its parameters stand beside it (but for backends) */
    TT_KEY_PATH,
    TT_KEY_BASE, /* a path or a list of paths */
    TT_KEY_TRANSFORMS,
    TT_KEY_TEXT,
    TT_KEY_VALUES,          /* a list of values, or a map of names to values */
    TT_KEY_COUNT_OR_VALUES, /* the same, or how many, min..max */
    TT_KEY_AXES,            /* paths, each with a list of values or a map of names to values */
    TT_KEY_DATA,            /* sections */
    TT_KEY_MODELS,
    TT_KEY_SERVICES,
    TT_KEY_ATTACKS,
    TT_KEY_THREAT_MODEL,
    TT_KEY_DEVICE,
    TT_KEY_LIMITS,
    TT_KEY_BUDGETS,
    TT_KEY_REPORT,
    TT_KEY_PRICE,
    TT_KEY_CONTROLS,
    TT_KEY_PUBLISHED,
    TT_KEY_SWEEP,
    TT_KEY_REPLICATION
} tt_spec_key_type;

typedef struct tt_spec_key {
    const char *key;
    tt_spec_key_type type;
    const char *default_value; /* as in YAML; NULL: none, or one that depends on the spec */
    double min, max;
    const char *choices; /* "a|b|c" */
    bool required;
    const char *help;
} tt_spec_key;

typedef struct tt_spec_table {
    const tt_spec_key *rows;
    size_t n;
} tt_spec_table;

#define TT_SPEC_TABLE_MAX 32u

extern const tt_spec_table tt_spec_table_top, tt_spec_table_data, tt_spec_table_transform,
    tt_spec_table_model, tt_spec_table_service, tt_spec_table_threat_model, tt_spec_table_attack,
    tt_spec_table_device, tt_spec_table_limits, tt_spec_table_budgets, tt_spec_table_controls,
    tt_spec_table_sweep, tt_spec_table_replication, tt_spec_table_published, tt_spec_table_report,
    tt_spec_table_price;

const tt_spec_key *tt_spec_key_of(const tt_spec_table *table, const char *key); /* NULL: none */
/* All keys; their number. */
size_t tt_spec_table_names(const tt_spec_table *table, const char *names[TT_SPEC_TABLE_MAX]);
/* The next of "a|b|c"; false behind the last. */
bool tt_spec_choice_next(const char **choices, char name[64]);

#endif
