/* The spec language: what is read, what is refused and with which words. */
#include "base/file.h"
#include "experiment/spec.h"
#include "support/test.h"

#include <string.h>

static tt_error err;
static tt_registry *registry;
static tt_plugin_source source;

static void setup(void)
{
    static const char *const dirs[] = {TT_BUILD_DIR "/tests/fixtures"};
    err = (tt_error){0};
    tt_ok(tt_registry_open(dirs, 1, &registry, &err), &err);
    source = tt_plugin_source_registry(registry);
}

static void teardown(void)
{
    tt_registry_close(registry);
}

static const char *file(const char *text, size_t size)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/s.yaml", tt_test_dir());
    tt_ok(tt_file_write(path, text, size, &err), &err);
    return path;
}

static const char good[] = "version: 1\n"
                           "data:\n"
                           "  faces: {plugin: faces, splits: {seen: 20, held_out: 20, a: 5, b: 5}}\n"
                           "models:\n"
                           "  target: {plugin: toy}\n"
                           "  shadow: {plugin: toy, weight: 0.5, members: faces.a, nonmembers: faces.b}\n"
                           "  control: {plugin: toy}\n"
                           "members: faces.seen\n"
                           "nonmembers: faces.held_out\n"
                           "threat_model: {access: [encode, text, predict]}\n"
                           "attacks:\n"
                           "  loss: {timesteps: [450]}\n"
                           "  second: {plugin: clid, calibration: split}\n"
                           "  clid:\n"
                           "device: {backend: reference}\n"
                           "controls: off\n";

static tt_status load(const char *text, const char *const *overrides, size_t n, tt_spec **spec)
{
    return tt_spec_load(file(text, strlen(text)), overrides, n, &source, spec, &err);
}

static const char *const control_names[] = {"second-permuted_labels", "clid-permuted_labels", "captions_only",
                                            "blind"};

START_TEST(controls_are_added_behind_the_attacks_unless_they_are_switched_off)
{
    tt_spec *spec;
    const char *change = "controls=on";
    tt_ok(load(good, &change, 1, &spec), &err);
    ck_assert(!spec->controls_off);
    /* loss has a shadow, too; that it has nothing to fit is for the plan to say */
    ck_assert_uint_eq(spec->n_attacks, 3 + 1 + sizeof control_names / sizeof *control_names);
    ck_assert_str_eq(spec->attacks[3].name, "loss-permuted_labels");
    for (size_t i = 0; i < sizeof control_names / sizeof *control_names; i++)
        ck_assert_str_eq(spec->attacks[4 + i].name, control_names[i]);
    ck_assert_int_eq(spec->attacks[5].control, TT_CONTROL_PERMUTED);
    ck_assert_str_eq(spec->attacks[5].of, "clid");
    ck_assert_int_eq(spec->attacks[6].calibration, TT_CALIBRATION_CROSS);
    tt_spec_free(spec);
    change = "controls={blind: false, permuted_labels: false, fixed_caption: a portrait}";
    tt_ok(load(good, &change, 1, &spec), &err);
    ck_assert_uint_eq(spec->n_attacks, 3 + 3 + 1);
    ck_assert_int_eq(spec->attacks[3].control, TT_CONTROL_FIXED_CAPTION);
    ck_assert_str_eq(spec->attacks[3].fixed_caption, "a portrait");
    ck_assert_ptr_nonnull(strstr(spec->resolved, "\"fixed_caption\":\"a portrait\""));
    tt_spec_free(spec);
    tt_ok(load(good, NULL, 0, &spec), &err);
    ck_assert(spec->controls_off);
    ck_assert_uint_eq(spec->n_attacks, 3);
    tt_spec_free(spec);
    change = "controls=maybe";
    tt_fails(load(good, &change, 1, &spec), TT_ERR_INVALID, "controls must be on, off, or a map", &err);
    change = "controls={blond: true}";
    tt_fails(load(good, &change, 1, &spec), TT_ERR_INVALID, "did you mean 'blind'?", &err);
    change = "controls={fixed_caption: 3}";
    tt_fails(load(good, &change, 1, &spec), TT_ERR_INVALID, "controls.fixed_caption must be the caption",
             &err);
}
END_TEST

START_TEST(a_spec_is_read_with_its_defaults)
{
    tt_spec *spec;
    tt_ok(load(good, NULL, 0, &spec), &err);
    ck_assert_uint_eq(spec->seed, 1);
    ck_assert_uint_eq(spec->batch, 16);
    ck_assert_uint_eq(spec->n_models, 3);
    ck_assert_uint_eq(spec->access, TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT);
    ck_assert(spec->captions_known);
    ck_assert_str_eq(spec->members.split, "seen");
    const tt_spec_model *shadow = tt_spec_model_of(spec, "shadow"),
                        *control = tt_spec_model_of(spec, "control");
    ck_assert_str_eq(shadow->members.split, "a");
    ck_assert_str_eq(control->nonmembers.split, "held_out");
    ck_assert_ptr_null(tt_spec_model_of(spec, "reference"));
    ck_assert_uint_eq(spec->n_attacks, 3);
    ck_assert_int_eq(spec->attacks[0].calibration, TT_CALIBRATION_SHADOW);
    ck_assert_int_eq(spec->attacks[1].calibration, TT_CALIBRATION_SPLIT);
    ck_assert_str_eq(spec->attacks[1].plugin.info->name, "clid");
    ck_assert_str_eq(spec->attacks[2].name, "clid");
    ck_assert(spec->data[0].apply_orientation && !spec->data[0].disjoint_identities);
    tt_spec_free(spec);
}
END_TEST

START_TEST(the_resolved_spec_read_again_resolves_to_itself)
{
    tt_spec *spec, *again;
    tt_ok(load(good, NULL, 0, &spec), &err);
    ck_assert_ptr_nonnull(strstr(spec->resolved, "\"t_mid\":450"));
    ck_assert_ptr_nonnull(strstr(spec->resolved, "\"calibration_part\":0.5"));
    tt_ok(load(spec->resolved, NULL, 0, &again), &err);
    ck_assert_str_eq(spec->resolved, again->resolved);
    tt_spec_free(spec);
    tt_spec_free(again);
}
END_TEST

START_TEST(overrides_change_and_add_keys_and_are_named_in_errors)
{
    tt_spec *spec;
    const char *some[] = {"seed=7", "attacks.clid.alpha=0.5", "data.faces.splits.seen=21",
                          "limits.answer_s=9", "attacks.third.plugin=loss"};
    tt_ok(load(good, some, 5, &spec), &err);
    ck_assert_uint_eq(spec->seed, 7);
    ck_assert_double_eq(spec->time_limit_s, 9);
    ck_assert_uint_eq(spec->n_attacks, 4);
    ck_assert_ptr_nonnull(strstr(spec->resolved, "\"alpha\":0.5"));
    ck_assert_ptr_nonnull(strstr(spec->resolved, "\"seen\":21"));
    tt_spec_free(spec);
    static const struct {
        const char *override, *message;
    } bad[] = {
        {"attacks.clid.alpha=1.4",
         "override attacks.clid.alpha=1.4:1:1: attacks.clid.alpha is 1.4: must be between"},
        {"attacks..alpha=1", "a key between its dots is empty"},
        {"seed.x=1", "'seed' is a"},
        {"nonsense", "write key=value"},
        {"seed=[1", "override seed=[1:"},
        {"sed=1", "sed is no key of a spec: did you mean 'seed'?"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char with_seed[2048];
        snprintf(with_seed, sizeof with_seed, "seed: 1\n%s", good);
        tt_fails(load(with_seed, &bad[i].override, 1, &spec), TT_ERR_INVALID, bad[i].message, &err);
    }
}
END_TEST

/* `good` with `old` replaced. */
static const char *with(const char *old, const char *new)
{
    static char text[4096];
    const char *at = strstr(good, old);
    ck_assert_ptr_nonnull(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, new, at + strlen(old));
    return text;
}

START_TEST(every_wrong_thing_is_refused_with_its_place_and_what_to_do)
{
    static const struct {
        const char *old, *new;
        tt_status status;
        const char *message;
    } cases[] = {
        {"version: 1", "version: 2", TT_ERR_INVALID,
         "s.yaml:1:10: version is 2: must be an integer between 1 and 1"},
        {"version: 1\n", "", TT_ERR_INVALID, "version is missing"},
        {"members: faces.seen", "mebmers: faces.seen", TT_ERR_INVALID,
         "s.yaml:8:1: mebmers is no key of a spec: did you mean 'members'?"},
        {"loss: {timesteps", "loss: {timestep", TT_ERR_INVALID, "timesteps"},
        {"[450]", "[1450]", TT_ERR_INVALID, "s.yaml:12:22: attacks.loss.timesteps"},
        {"[450]", "soon", TT_ERR_INVALID, "attacks.loss.timesteps is soon"},
        {"device: {backend: reference}", "device: {backend: abacus}", TT_ERR_NOT_FOUND,
         "s.yaml:15:19: device.backend: "},
        {"device: {backend: reference}", "device: abacus:1", TT_ERR_NOT_FOUND,
         "s.yaml:15:9: device.backend: "},
        {"device: {backend: reference}", "device: reference:x", TT_ERR_INVALID,
         "s.yaml:15:9: device must be the name of a backend, e.g. cpu or cuda:1, or auto"},
        {"device: {backend: reference}", "device: reference:256", TT_ERR_INVALID, "device must be the name"},
        {"device: {backend: reference}", "device: {backend: \":1\"}", TT_ERR_INVALID,
         "s.yaml:15:19: device.backend must be the name"},
        {"device: {backend: reference}", "device: [cpu]", TT_ERR_INVALID, "device is a list: must be a map"},
        {"{plugin: toy}", "{plugin: toi}", TT_ERR_NOT_FOUND, "toy"},
        {"{plugin: toy}", "{}", TT_ERR_INVALID, "models.target.plugin is missing"},
        {"{plugin: toy}", "7", TT_ERR_INVALID, "models.target is a"},
        {"  target: {plugin: toy}", "  targed: {plugin: toy}", TT_ERR_INVALID, "models.target is missing"},
        {"members: faces.a", "members: face.a", TT_ERR_INVALID,
         "there is no data set 'face': did you mean 'faces'?"},
        {"members: faces.a", "members: faces", TT_ERR_INVALID, "must be DATASET.SPLIT"},
        {"members: faces.a, nonmembers: faces.b", "members: faces.a", TT_ERR_INVALID,
         "models.shadow.nonmembers is missing"},
        {"nonmembers: faces.b", "nonmembers: faces.a", TT_ERR_INVALID,
         "the same split as models.shadow.members"},
        {"  control: {plugin: toy}", "  control: {plugin: toy, members: faces.a}", TT_ERR_INVALID,
         "are the spec's own"},
        {"[encode, text, predict]", "grey-bocks", TT_ERR_INVALID, "did you mean 'grey-box'?"},
        {"{access: [encode, text, predict]}", "{captions: known}", TT_ERR_INVALID,
         "threat_model.access is missing"},
        {"predict]}", "predict], captions: perhaps}", TT_ERR_INVALID, "must be one of unknown, known"},
        {"calibration: split", "calibration: shadows", TT_ERR_INVALID, "must be one of none, split, shadow"},
        {"calibration: split", "calibration_part: 1", TT_ERR_INVALID,
         "must be a number between 0.01 and 0.99"},
        {"splits: {seen", "splits: {seen: 1, seen", TT_ERR_INVALID, "key 'seen' is there twice"},
        {"splits: {seen", "transforms: {}, splits: {seen", TT_ERR_INVALID, "must be a list of maps"},
        {"plugin: faces,", "plugin: faces, disjoint: names,", TT_ERR_INVALID,
         "must be one of pixels, identity"},
        {"  second:", "  a/b:", TT_ERR_INVALID, "a name is 1 to 48 letters"},
        {"attacks:\n", "attacks: {}\nlimits:\n", TT_ERR_INVALID, "attacks is missing: name at least one"},
        {"attacks:\n", "report: {tpr_at_fpr: [0.1, 2]}\nattacks:\n", TT_ERR_INVALID,
         "report.tpr_at_fpr has 2: FPRs are numbers between 1e-06 and 0.5"},
        {"attacks:\n", "report: {tpr_at_fpr: [0.1, 0.1]}\nattacks:\n", TT_ERR_INVALID, "has 0.1 twice"},
        {"attacks:\n", "report: {tpr_at_fpr: 0.1}\nattacks:\n", TT_ERR_INVALID, "must be a list of FPRs"},
        {"attacks:\n", "report: {tpr_at_fpr: [.1, .2, .3, .4, .5, .05]}\nattacks:\n", TT_ERR_INVALID,
         "at most 5 FPRs"},
        {"attacks:\n", "budgets: {money: 3}\nattacks:\n", TT_ERR_INVALID,
         "budgets.money limits nothing: no model has a price"},
        {"{plugin: toy}", "{plugin: toy, price: {imgae: 1}}", TT_ERR_INVALID,
         "models.target.price.imgae is no key of a spec: did you mean 'image'?"},
        {"{plugin: toy}", "{plugin: toy, price: {currency: 3}}", TT_ERR_INVALID,
         "models.target.price.currency must be a text"},
        {"  target: {plugin: toy}\n",
         "  target: {plugin: toy, price: {image: 1}}\n  other: {plugin: toy, price: {currency: EUR}}\n",
         TT_ERR_INVALID, "models.other.price is in EUR, and another model's price in USD"},
        {"predict]}", "predict], auxiliary: faces.a}", TT_ERR_INVALID,
         "threat_model.auxiliary is faces.a: must be all, none or a list"},
        {"predict]}", "predict], auxiliary: [faces.c]}", TT_ERR_INVALID,
         "threat_model.auxiliary: data.faces has no split 'c'"},
        {"predict]}", "predict], auxiliary: [faces.seen]}", TT_ERR_INVALID,
         "threat_model.auxiliary has faces.seen, which are candidates"},
        {"version: 1", "[1, 2]", TT_ERR_INVALID, "s.yaml:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tt_spec *spec;
        err = (tt_error){0};
        tt_status s = load(with(cases[i].old, cases[i].new), NULL, 0, &spec);
        ck_assert_msg(s == cases[i].status && strstr(err.message, cases[i].message),
                      "case %zu (%s): status %d, message '%s'", i, cases[i].new, s, err.message);
    }
}
END_TEST

static tt_status best(void *user, const char **name, tt_error *error)
{
    (void)user, (void)error;
    *name = "reference";
    return TT_OK;
}

START_TEST(a_device_is_a_name_a_numbered_name_auto_or_a_map)
{
    static const struct {
        const char *text, *name;
        int index;
        unsigned flags;
    } cases[] = {
        {"device: reference", "reference", 0, 0},
        {"device: reference:3", "reference", 3, 0},
        {"device: {backend: \"reference:2\", threads: 1, tf32: true}", "reference", 2, TT_DEVICE_TF32},
        {"device: {backend: auto, index: 1}", "reference", 1, 0},
        {"device: auto", "reference", 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tt_spec *spec;
        source.best_backend = best;
        tt_ok(load(with("device: {backend: reference}", cases[i].text), NULL, 0, &spec), &err);
        source.best_backend = NULL;
        ck_assert_str_eq(spec->backend.info->name, cases[i].name);
        ck_assert_int_eq(spec->device.index, cases[i].index);
        ck_assert_uint_eq(spec->device.flags, cases[i].flags);
        ck_assert_msg(strstr(spec->resolved, "\"reference\"") != NULL, "%s", spec->resolved);
        ck_assert_msg(strstr(spec->resolved, "\"auto\"") == NULL, "%s", spec->resolved);
        tt_spec_free(spec);
    }
}
END_TEST

START_TEST(a_shadow_without_known_images_calibrates_nothing)
{
    tt_spec *spec;
    const char *text = with("members: faces.a, nonmembers: faces.b", "weight: 0.5");
    char only[4096];
    snprintf(only, sizeof only, "%s", text);
    char *at = strstr(only, "weight: 0.5, weight: 0.5");
    ck_assert_ptr_nonnull(at);
    memmove(at, at + 13, strlen(at + 13) + 1);
    tt_ok(load(only, NULL, 0, &spec), &err);
    ck_assert_int_eq(spec->attacks[0].calibration, TT_CALIBRATION_NONE);
    tt_spec_free(spec);
    const char *override = "attacks.clid.calibration=shadow";
    tt_fails(load(only, &override, 1, &spec), TT_ERR_INVALID, "no models.shadow with members", &err);
}
END_TEST

START_TEST(hostile_and_broken_files_are_refused)
{
    tt_spec *spec;
    tt_fails(tt_spec_load("/nowhere/s.yaml", NULL, 0, &source, &spec, &err), TT_ERR_NOT_FOUND,
             "/nowhere/s.yaml", &err);
    tt_fails(load("", NULL, 0, &spec), TT_ERR_INVALID, "is empty", &err);
    tt_fails(load("- a\n- b\n", NULL, 0, &spec), TT_ERR_INVALID, "a spec is a map of keys", &err);
    tt_fails(load("version: [1\n", NULL, 0, &spec), TT_ERR_INVALID, "s.yaml:", &err);
    tt_fails(load("a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                  "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n",
                  NULL, 0, &spec),
             TT_ERR_INVALID, "alias", &err);
    size_t size = (size_t)20 << 20;
    char *large = tt_alloc(size);
    ck_assert_ptr_nonnull(large);
    memset(large, '#', size);
    tt_status s = tt_spec_load(file(large, size), NULL, 0, &source, &spec, &err);
    tt_free(large);
    ck_assert_int_ne(s, TT_OK);
    ck_assert_msg(strstr(err.message, "s.yaml") != NULL, "%s", err.message);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("spec");
    TCase *tc = tcase_create("spec");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, controls_are_added_behind_the_attacks_unless_they_are_switched_off);
    tcase_add_test(tc, a_spec_is_read_with_its_defaults);
    tcase_add_test(tc, the_resolved_spec_read_again_resolves_to_itself);
    tcase_add_test(tc, overrides_change_and_add_keys_and_are_named_in_errors);
    tcase_add_test(tc, every_wrong_thing_is_refused_with_its_place_and_what_to_do);
    tcase_add_test(tc, a_device_is_a_name_a_numbered_name_auto_or_a_map);
    tcase_add_test(tc, a_shadow_without_known_images_calibrates_nothing);
    tcase_add_test(tc, hostile_and_broken_files_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
