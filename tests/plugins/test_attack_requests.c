/* What the attacks ask of a model, seen by a spy before the practice model: calls, texts, timesteps, noise.
 */
#include "runtime/practice_model.h"
#include "support/test.h"
#include "support/toy_model.h"

#include <math.h>
#include <string.h>

enum { REQUESTS_MAX = 256, TEXTS_MAX = 64 };

static tt_model *practice;
static tt_model spy;
static tt_predict requests[REQUESTS_MAX];
static size_t n_requests, predict_calls;
static char texts[TEXTS_MAX][64];
static size_t n_texts;
static bool vae_noise;
static tt_encode_crop crops[REQUESTS_MAX];
static size_t n_crops;
static tt_error err;

static tt_status spy_encode(tt_model *m, uint32_t n, const tt_encode *r, tt_handle *latents, tt_error *e)
{
    (void)m;
    for (uint32_t i = 0; i < n; i++)
        vae_noise = r[i].noise.role != NULL;
    return practice->encode(practice, n, r, latents, e);
}

/* the practice model has 8 pixels a side: its crop stands for any */
static tt_status spy_encode_crop(tt_model *m, uint32_t n, const tt_encode_crop *r, tt_handle *latents,
                                 tt_error *e)
{
    (void)m;
    ck_assert_uint_le(n_crops + n, REQUESTS_MAX);
    memcpy(crops + n_crops, r, n * sizeof *r);
    n_crops += n;
    tt_status s = TT_OK;
    for (uint32_t i = 0; i < n && !s; i++)
        s = practice->encode_crop(practice, 1, &(tt_encode_crop){r[i].sample, r[i].noise, 4}, &latents[i], e);
    return s;
}

static tt_status spy_text(tt_model *m, uint32_t n, const tt_text *t, tt_handle *conditions, tt_error *e)
{
    (void)m;
    for (uint32_t i = 0; i < n; i++) {
        ck_assert_uint_lt(n_texts, TEXTS_MAX);
        char *at = texts[n_texts], *end = texts[n_texts] + sizeof texts[0];
        *at = '\0';
        n_texts++;
        for (uint32_t k = 0; k < t[i].n_pieces; k++) { /* pieces apart by "|", an end token as "#" */
            const tt_text_piece *p = &t[i].pieces[k];
            if (!p->text) ck_assert_int_eq(p->special_id, spy.info.end_token);
            at += snprintf(at, (size_t)(end - at), "%s%s", k ? "|" : "", p->text ? p->text : "#");
            ck_assert(at < end);
        }
    }
    return practice->text(practice, n, t, conditions, e);
}

static tt_status spy_predict(tt_model *m, uint32_t n, const tt_predict *r, tt_prediction *results,
                             tt_error *e)
{
    (void)m;
    ck_assert_uint_le(n_requests + n, REQUESTS_MAX);
    memcpy(requests + n_requests, r, n * sizeof *r);
    n_requests += n;
    predict_calls++;
    return practice->predict(practice, n, r, results, e);
}

static tt_status spy_attend(tt_model *m, uint32_t n, const tt_predict *r, tt_prediction *results,
                            tt_handle *maps, tt_error *e)
{
    (void)m;
    ck_assert_uint_le(n_requests + n, REQUESTS_MAX);
    memcpy(requests + n_requests, r, n * sizeof *r);
    n_requests += n;
    return practice->attend(practice, n, r, results, maps, e);
}

static void setup(void)
{
    practice = tt_practice_model_create("target", TT_CAP_GREY_BOX | TT_CAP_ATTENTION, 1);
    ck_assert_ptr_nonnull(practice);
    spy = *practice;
    spy.encode = spy_encode;
    spy.encode_crop = spy_encode_crop;
    spy.text = spy_text;
    spy.predict = spy_predict;
    spy.attend = spy_attend;
}

static void teardown(void)
{
    toy_teardown();
    tt_practice_model_destroy(practice);
}

static void measure(const char *attack, const char *yaml, uint32_t n, const tt_sample *samples, double *rows)
{
    n_requests = predict_calls = n_texts = n_crops = 0;
    toy_attack a = toy_attack_open(attack, yaml);
    tt_model *models[] = {&spy};
    tt_measure context = {sizeof context, models, 1, NULL};
    tt_ok(a.table->measure(a.attack, &context, n, samples, rows, &err), &err);
    ck_assert_uint_eq(n_requests, (size_t)n * a.plan.predictions);
}

static const tt_sample three[] = {{11, "a red house"}, {12, "two dogs"}, {13, "a portrait of a man"}};

START_TEST(a_batch_is_one_call_of_fifteen_evaluations_a_sample)
{
    double rows[15];
    measure("clid", "{}", 3, three, rows);
    ck_assert_uint_eq(n_requests, 45);
    ck_assert_uint_eq(predict_calls, 1);
    measure("loss", "{}", 3, three, rows);
    ck_assert_uint_eq(n_requests, 3);
    ck_assert_uint_eq(predict_calls, 1);
}
END_TEST

START_TEST(all_captions_of_a_sample_get_the_same_noise_and_times)
{
    static const int32_t times[] = {440, 450, 460};
    double rows[15];
    measure("clid", "{}", 3, three, rows);
    for (size_t i = 0; i < n_requests; i++) {
        const tt_predict *r = &requests[i];
        ck_assert_uint_eq(r->sample, three[i / 15].id);
        ck_assert_int_eq(r->timestep, times[i % 3]);
        ck_assert_str_eq(r->noise.role, "eps");
        ck_assert_int_eq(r->noise.timestep, r->timestep);
        ck_assert_uint_eq(r->noise.draw, 0);
        ck_assert_uint_eq(r->latent, requests[i / 15 * 15].latent);
        /* five conditions of three times each */
        ck_assert_uint_eq(r->condition, requests[i / 3 * 3].condition);
        if (i % 15 >= 3) ck_assert_uint_ne(r->condition, requests[i - 3].condition);
    }
}
END_TEST

START_TEST(loss_is_a_part_of_monte_carlo_and_that_of_clid_bit_for_bit)
{
    double loss[3], mc[9], clid[15];
    measure("loss", "{}", 3, three, loss);
    measure("loss", "{timesteps: [440, 450, 460]}", 3, three, mc);
    measure("clid", "{}", 3, three, clid);
    for (size_t i = 0; i < 3; i++) {
        double mean = (mc[3 * i] + mc[3 * i + 1] + mc[3 * i + 2]) / 3;
        ck_assert_mem_eq(&loss[i], &mc[3 * i + 1], sizeof(double));
        ck_assert_mem_eq(&mean, &clid[5 * i], sizeof(double));
    }
}
END_TEST

START_TEST(captions_are_cut_in_thirds_by_code_points)
{
    static const struct {
        const char *caption, *parts[3];
    } cases[] = {
        {"äbcdé", {"ä", "bc", "dé"}}, /* n = 5: cut at 1 and 3 */
        {"雪が降る", {"雪", "が", "降る"}},
        {" ab ", {" ", "a", "b "}}, /* not stripped */
        {"ab", {"", "a", "b"}},
        {"x", {"", "", "x"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tt_sample sample = {5, cases[i].caption};
        double row[5];
        measure("clid", "{}", 1, &sample, row);
        ck_assert_uint_eq(n_texts, 5);
        ck_assert_str_eq(texts[0], cases[i].caption);
        for (size_t k = 0; k < 3; k++)
            ck_assert_str_eq(texts[1 + k], cases[i].parts[k]);
        ck_assert_str_eq(texts[4], "");
    }
}
END_TEST

START_TEST(d_takes_the_middle_of_a_longer_list_of_times)
{
    /* lists of 2.6.1; the sub-list starts at M/2 − N/2 (1.9) */
    static const struct {
        const char *yaml;
        size_t n_caption, n_reduced;
        int32_t caption[5], reduced[5];
    } cases[] = {
        {"{m: 1, n: 1, reduction: \"null\"}", 1, 1, {450}, {450}},
        {"{m: 2, n: 2, reduction: \"null\"}", 2, 2, {440, 450}, {440, 450}},
        {"{m: 5, n: 2, reduction: \"null\"}", 5, 2, {430, 440, 450, 460, 470}, {440, 450}},
        {"{m: 5, n: 3, reduction: \"null\"}", 5, 3, {430, 440, 450, 460, 470}, {440, 450, 460}},
        {"{m: 3, n: 3, t_mid: 495, reduction: \"null\"}", 3, 3, {485, 495, 505}, {485, 495, 505}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double row[2];
        measure("clid", cases[i].yaml, 1, three, row);
        ck_assert_uint_eq(n_requests, cases[i].n_caption + cases[i].n_reduced);
        for (size_t k = 0; k < cases[i].n_caption; k++)
            ck_assert_int_eq(requests[k].timestep, cases[i].caption[k]);
        for (size_t k = 0; k < cases[i].n_reduced; k++)
            ck_assert_int_eq(requests[cases[i].n_caption + k].timestep, cases[i].reduced[k]);
    }
}
END_TEST

START_TEST(the_latent_s_and_the_schedule_s_choices_reach_the_model)
{
    static const char *const attacks[] = {"loss", "clid", "monte_carlo", "pfami"};
    double row[20];
    for (size_t i = 0; i < 4; i++) {
        measure(attacks[i], "{}", 1, three, row);
        ck_assert(vae_noise && !requests[0].alpha_bar_f32);
        measure(attacks[i], "{vae_mode: mean, alpha_table: diffusers}", 1, three, row);
        ck_assert(!vae_noise && requests[0].alpha_bar_f32);
    }
}
END_TEST

START_TEST(monte_carlo_is_the_mean_that_clid_takes_bit_for_bit)
{
    double mc[9], clid[15];
    measure("monte_carlo", "{}", 3, three, mc);
    measure("clid", "{}", 3, three, clid);
    for (size_t i = 0; i < 3; i++) {
        double mean = (mc[3 * i] + mc[3 * i + 1] + mc[3 * i + 2]) / 3;
        ck_assert_mem_eq(&mean, &clid[5 * i], sizeof(double));
    }
}
END_TEST

START_TEST(pfami_crops_by_the_part_of_the_resolution_cut_to_whole_pixels)
{
    /* grey-box spec 1.1 */
    static const struct {
        uint32_t resolution, clid, original;
    } cases[] = {{512, 422, 415}, {256, 211, 207}, {128, 105, 103}, {64, 52, 51}, {32, 26, 25}};
    double rows[20];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spy.info.resolution = cases[i].resolution;
        measure("pfami", "{}", 1, three, rows);
        ck_assert_uint_eq(n_crops, 1);
        ck_assert_uint_eq(crops[0].crop, cases[i].clid);
        measure("pfami", "{profile: pfami}", 1, three, rows);
        ck_assert_uint_eq(n_crops, 1);
        ck_assert_uint_eq(crops[0].crop, cases[i].original);
    }
}
END_TEST

START_TEST(pfami_of_the_comparison_shares_one_noise_a_view)
{
    double rows[40];
    measure("pfami", "{}", 2, three, rows);
    ck_assert_uint_eq(predict_calls, 1);
    for (size_t i = 0; i < n_requests; i++) {
        size_t view = i / 10 % 2;
        ck_assert_uint_eq(requests[i].sample, three[i / 20].id);
        ck_assert_int_eq(requests[i].timestep, (int32_t)(1 + 50 * (i % 10)));
        ck_assert_str_eq(requests[i].noise.role, "eps.shared");
        ck_assert_int_eq(requests[i].noise.timestep, -1);
        ck_assert_uint_eq(requests[i].noise.draw, view);
        ck_assert_uint_eq(requests[i].condition, requests[i / 20 * 20].condition);
        ck_assert_uint_eq(requests[i].latent, requests[i / 10 * 10].latent);
        if (view) ck_assert_uint_ne(requests[i].latent, requests[i - 10].latent);
    }
    ck_assert_uint_eq(n_crops, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(crops[i].sample, three[i].id);
        ck_assert_str_eq(crops[i].noise.role, "vae.crop");
        ck_assert_int_eq(crops[i].noise.timestep, -1);
        ck_assert_uint_eq(crops[i].noise.draw, 0);
    }
    measure("pfami", "{vae_mode: mean}", 1, three, rows);
    ck_assert_ptr_null(crops[0].noise.role);
}
END_TEST

START_TEST(pfami_of_its_authors_draws_anew_and_its_met_is_a_part_of_its_map)
{
    static double met[20], map[110];
    measure("pfami", "{profile: pfami}", 1, three, met);
    ck_assert_uint_eq(n_requests, 20);
    for (size_t i = 0; i < 20; i++) {
        ck_assert_int_eq(requests[i].timestep, (int32_t)(50 * (i % 10)));
        ck_assert_str_eq(requests[i].noise.role, "eps.pfami");
        ck_assert_int_eq(requests[i].noise.timestep, requests[i].timestep);
        ck_assert_uint_eq(requests[i].noise.draw, i < 10 ? 0 : 6); /* 1 + strength index 5 */
    }
    ck_assert_uint_eq(crops[0].noise.draw, 5);
    measure("pfami", "{profile: pfami, map: true}", 1, three, map);
    ck_assert_uint_eq(n_requests, 110);
    ck_assert_uint_eq(n_crops, 10);
    ck_assert_mem_eq(met, map, 10 * sizeof *met);
    ck_assert_mem_eq(met + 10, map + 60, 10 * sizeof *met);
}
END_TEST

/* which words of the reduced caption `text` are end tokens, as bits */
static uint32_t cut_words(const char *text)
{
    uint32_t bits = 0, place = 0;
    for (const char *p = text;; p++) {
        if (*p == '#') bits |= 1u << place;
        if (*p == '|') place++;
        if (!*p) return bits;
    }
}

static uint32_t count(uint32_t bits)
{
    uint32_t n = 0;
    for (; bits; bits &= bits - 1)
        n++;
    return n;
}

START_TEST(importance_cuts_the_words_that_move_the_embedding_most)
{
    static const struct {
        const char *caption;
        uint32_t n, cut[3]; /* spec, section 9 */
    } cases[] = {{"zero one two three four five six seven eight nine", 10, {3, 5, 7}},
                 {" four words\tof text ", 4, {2, 2, 3}},
                 {"x", 1, {1, 1, 1}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tt_sample sample = {5, cases[i].caption};
        double row[5], weights[10];
        measure("clid", "{reduction: importance}", 1, &sample, row);
        uint32_t n = cases[i].n;
        ck_assert_uint_eq(n_texts, n + 1 + 5); /* each word left out, none left out; then the five captions */
        /* the practice model's embedding is one number that the joined text fixes */
        float whole, less;
        tt_handle handle;
        for (uint32_t k = 0; k <= n; k++) {
            char joined[64];
            size_t at = 0;
            const char *source = texts[k == n ? n : k];
            for (const char *p = source; *p; p++)
                if (*p != '|') joined[at++] = *p;
            joined[at] = '\0';
            tt_text_piece piece = {joined, 0};
            tt_ok(practice->text(practice, 1, &(tt_text){&piece, 1}, &handle, &err), &err);
            tt_ok(practice->get(practice, handle, k == n ? &whole : &less, 1, &err), &err);
            if (k < n) weights[k] = (double)less;
        }
        for (uint32_t k = 0; k < n; k++)
            weights[k] = fabs(weights[k] - (double)whole);
        ck_assert_str_eq(texts[n + 1], cases[i].caption);
        ck_assert_str_eq(texts[n + 5], "");
        uint32_t before = 0;
        for (uint32_t r = 0; r < 3; r++) {
            uint32_t bits = cut_words(texts[n + 2 + r]);
            ck_assert_uint_ge(count(bits), cases[i].cut[r]); /* more where weights tie */
            ck_assert_uint_eq(bits & before, before);
            before = bits;
            /* no word that stays weighs as much as one that goes */
            for (uint32_t p = 0; p < n; p++)
                for (uint32_t q = 0; q < n; q++)
                    if ((bits >> p & 1) && !(bits >> q & 1)) ck_assert_double_gt(weights[p], weights[q]);
        }
    }
}
END_TEST

START_TEST(equal_weights_cut_every_word)
{
    tt_sample sample = {5, "a red house"};
    double row[5];
    measure("clid", "{reduction: importance, importance: uniform}", 1, &sample, row);
    ck_assert_uint_eq(n_texts, 5);
    for (int k = 1; k < 4; k++)
        ck_assert_str_eq(texts[k], "#|#|#");
}
END_TEST

START_TEST(importance_refuses_captions_without_words_and_a_list_without_rates)
{
    toy_attack a = toy_attack_open("clid", "{reduction: importance}");
    tt_model *models[] = {&spy};
    tt_measure context = {sizeof context, models, 1, NULL};
    tt_sample sample = {5, " \t "};
    double row[5];
    n_texts = 0;
    tt_fails(a.table->measure(a.attack, &context, 1, &sample, row, &err), TT_ERR_INVALID, "no words", &err);
    tt_fails(toy_attack_try("clid", "{reduction: importance, rates: []}", &err), TT_ERR_INVALID,
             "rates: 1 to 32 are needed", &err);
    tt_fails(toy_attack_try("clid", "{rates: [0.5, 0.6, 1.5]}", &err), TT_ERR_INVALID, "rates", &err);
}
END_TEST

/* M + K·N queries, and one more timestep's under the caption where D has none of L's: grey-box spec 5.1 */
START_TEST(every_reduction_asks_what_its_numbers_say)
{
    static const struct {
        const char *yaml;
        uint32_t queries, columns;
        const char *first, *last;
    } cases[] = {
        {"{}", 15, 5, "L", "D_null"},
        {"{m: 1, n: 1}", 5, 5, "L", "D_null"},
        {"{reduction: \"null\"}", 6, 2, "L", "D_null"},
        {"{m: 1, n: 0}", 1, 1, "L", "L"},
        {"{m: 5, n: 0, reduction: gauss}", 5, 1, "L", "L"},
        {"{m: 0, n: 1}", 5, 4, "D_1", "D_null"}, /* D needs L(c) too: 5, where K·N is 4 */
        {"{m: 2, n: 2}", 10, 5, "L", "D_null"},
        {"{m: 5, n: 5}", 25, 5, "L", "D_null"},
        {"{reduction: gauss}", 15, 5, "L", "D_null"},
        {"{reduction: gauss, scales: [0.5]}", 9, 3, "L", "D_null"},
        {"{reduction: importance, rates: [0.2, 0.4, 0.6, 0.8]}", 18, 6, "L", "D_null"},
        {"{reduction: importance, importance: target_maps}", 15, 5, "L", "D_null"},
        {"{clip_by: words, pieces: 2}", 12, 4, "L", "D_null"},
        {"{pieces: 6, n: 1}", 10, 8, "L", "D_null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double rows[3 * 8];
        measure("clid", cases[i].yaml, 3, three, rows); /* checks the number of requests */
        toy_attack a = toy_attack_open("clid", cases[i].yaml);
        ck_assert_uint_eq(a.plan.predictions, cases[i].queries);
        ck_assert_uint_eq(a.plan.n_columns, cases[i].columns);
        ck_assert_str_eq(a.plan.columns[0], cases[i].first);
        ck_assert_str_eq(a.plan.columns[a.plan.n_columns - 1], cases[i].last);
        for (size_t k = 0; k < 3 * cases[i].columns; k++)
            ck_assert_msg(isfinite(rows[k]), "%s", cases[i].yaml);
    }
}
END_TEST

START_TEST(a_term_that_is_dropped_leaves_the_other_as_it_was)
{
    double both[5], l, d[4];
    measure("clid", "{m: 1, n: 1}", 1, three, both);
    measure("clid", "{m: 1, n: 0}", 1, three, &l);
    measure("clid", "{m: 0, n: 1}", 1, three, d);
    ck_assert_mem_eq(&l, both, sizeof l);
    ck_assert_mem_eq(d, both + 1, sizeof d);
    /* the score is that term: alpha is 0 or 1 */
    toy_attack a = toy_attack_open("clid", "{m: 1, n: 0}");
    const double rows[8] = {.3, .1, .4, .2, .9, .6, .8, .7};
    const uint8_t member[8] = {1, 1, 1, 1, 0, 0, 0, 0};
    tt_rows list = {8, 1, rows};
    uint8_t *state;
    size_t size;
    double scores[8];
    char text[128];
    tt_ok(a.table->fit(a.attack, &list, member, &state, &size, &err), &err);
    toy_keep(state);
    tt_ok(a.table->explain(a.attack, state, size, text, sizeof text, &err), &err);
    ck_assert_msg(strncmp(text, "alpha 0; L: median", 18) == 0 && !strstr(text, "-D"), "%s", text);
    tt_ok(a.table->score(a.attack, &list, state, size, scores, &err), &err);
    for (size_t i = 1; i < 8; i++)
        ck_assert((scores[i] > scores[0]) == (rows[i] < rows[0]));
    tt_fails(toy_attack_try("clid", "{m: 0, n: 0}", &err), TT_ERR_INVALID, "nothing would be measured", &err);
    tt_fails(toy_attack_try("clid", "{m: 1, n: 0, alpha: 0.5}", &err), TT_ERR_INVALID, "no D to weigh", &err);
    tt_fails(toy_attack_try("clid", "{m: 0, n: 1, alpha: 0}", &err), TT_ERR_INVALID, "no L to weigh", &err);
}
END_TEST

START_TEST(pieces_of_words_are_as_equal_as_they_can_be)
{
    tt_sample sample = {5, " one two three  four five"};
    double row[5];
    measure("clid", "{clip_by: words}", 1, &sample, row);
    ck_assert_str_eq(texts[1], "one");
    ck_assert_str_eq(texts[2], "two|three");
    ck_assert_str_eq(texts[3], "four|five");
    ck_assert_str_eq(texts[4], "");
}
END_TEST

START_TEST(only_the_targets_maps_need_its_attention)
{
    toy_attack a = toy_attack_open("clid", "{reduction: importance, importance: target_maps}");
    ck_assert_uint_eq(a.plan.roles[0].capabilities,
                      TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT | TT_CAP_ATTENTION);
    a = toy_attack_open("clid", "{importance: target_maps}"); /* clipping weighs no words */
    ck_assert_uint_eq(a.plan.roles[0].capabilities, TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT);
}
END_TEST

START_TEST(pia_begins_where_secmi_begins)
{
    double row;
    measure("pia", "{}", 1, three, &row);
    ck_assert_uint_eq(n_requests, 2);
    tt_predict first = requests[0];
    ck_assert_int_eq(requests[1].timestep, 500);
    measure("secmi", "{}", 1, three, &row);
    ck_assert_uint_eq(n_requests, 12);
    for (size_t i = 0; i < 12; i++) {
        ck_assert_int_eq(requests[i].timestep, (int32_t)(10 * i));
        ck_assert_ptr_null(requests[i].noise.role);
    }
    /* the same question in all that identifies it but the handles, which are of another latent call */
    ck_assert_int_eq(first.timestep, requests[0].timestep);
    ck_assert_int_eq(first.noise.timestep, requests[0].noise.timestep);
    ck_assert_uint_eq(first.noise.draw, requests[0].noise.draw);
    ck_assert_ptr_null(first.noise.role);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("requests");
    TCase *tc = tcase_create("requests");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_batch_is_one_call_of_fifteen_evaluations_a_sample);
    tcase_add_test(tc, all_captions_of_a_sample_get_the_same_noise_and_times);
    tcase_add_test(tc, loss_is_a_part_of_monte_carlo_and_that_of_clid_bit_for_bit);
    tcase_add_test(tc, captions_are_cut_in_thirds_by_code_points);
    tcase_add_test(tc, d_takes_the_middle_of_a_longer_list_of_times);
    tcase_add_test(tc, the_latent_s_and_the_schedule_s_choices_reach_the_model);
    tcase_add_test(tc, monte_carlo_is_the_mean_that_clid_takes_bit_for_bit);
    tcase_add_test(tc, pfami_crops_by_the_part_of_the_resolution_cut_to_whole_pixels);
    tcase_add_test(tc, pfami_of_the_comparison_shares_one_noise_a_view);
    tcase_add_test(tc, pfami_of_its_authors_draws_anew_and_its_met_is_a_part_of_its_map);
    tcase_add_test(tc, importance_cuts_the_words_that_move_the_embedding_most);
    tcase_add_test(tc, equal_weights_cut_every_word);
    tcase_add_test(tc, importance_refuses_captions_without_words_and_a_list_without_rates);
    tcase_add_test(tc, every_reduction_asks_what_its_numbers_say);
    tcase_add_test(tc, a_term_that_is_dropped_leaves_the_other_as_it_was);
    tcase_add_test(tc, pieces_of_words_are_as_equal_as_they_can_be);
    tcase_add_test(tc, only_the_targets_maps_need_its_attention);
    tcase_add_test(tc, pia_begins_where_secmi_begins);
    suite_add_tcase(suite, tc);
    return suite;
}
