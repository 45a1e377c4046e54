#include "base/rng.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

/* Vectors of the public descriptions of PyTorch's streams; see docs/randomness.md. */

static void expect_close(const float *got, const double *want, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - want[i]) <= tolerance, "[%zu] %.9g, expected %.9g", i,
                      (double)got[i], want[i]);
}

START_TEST(torch_cpu_engine_gives_the_words_of_mt19937)
{
    tt_torch_cpu g;
    tt_torch_cpu_seed(&g, 0);
    const uint32_t want[] = {2357136044u, 2546248239u, 3071714933u, 3626093760u, 2588848963u};
    for (size_t i = 0; i < 5; i++)
        ck_assert_uint_eq(tt_torch_cpu_u32(&g), want[i]);
    tt_torch_cpu_seed(&g, 42);
    ck_assert_uint_eq(tt_torch_cpu_u32(&g), 1608637542u);
}
END_TEST

START_TEST(torch_cpu_uniforms_are_exact)
{
    tt_torch_cpu g;
    tt_torch_cpu_seed(&g, 0);
    ck_assert_double_eq((double)tt_torch_cpu_uniform_f32(&g), 0.49625658988952637);
    tt_torch_cpu_seed(&g, 0);
    ck_assert_double_eq(tt_torch_cpu_uniform_f64(&g), 0.9700530018065531);
    ck_assert_double_eq(tt_torch_cpu_uniform_f64(&g), 0.707819864399788);
}
END_TEST

START_TEST(torch_cpu_randn_of_16_and_20_matches_bit_for_bit)
{
    /* nine digits decide a float */
    const double r16[] = {-1.12583983, -1.1523602,  -0.250578582, -0.433878809, 0.848710358, 0.692009151,
                          -0.31601277, -2.11521935, 0.322274923,  -1.26333475,  0.349983186, 0.30813393,
                          0.119841509, 1.2376579,   1.11677718,   -0.247278154};
    const double r20_tail[] = {0.598839462, -1.55509508, -0.34136039, 1.85300612,  0.468096405, -0.157712445,
                               1.44366014,  0.266049415, 1.38936615,  1.58633423,  0.946298361, -0.843676746,
                               0.931826591, 1.25900924,  2.00498056,  0.0537369028};
    float x[20];
    tt_torch_cpu g;
    tt_torch_cpu_seed(&g, 0);
    tt_torch_cpu_randn(&g, x, 16);
    for (size_t i = 0; i < 16; i++)
        ck_assert_float_eq(x[i], (float)r16[i]);
    tt_torch_cpu_seed(&g, 0);
    tt_torch_cpu_randn(&g, x, 20);
    for (size_t i = 0; i < 16; i++)
        ck_assert_float_eq(x[4 + i], (float)r20_tail[i]);
}
END_TEST

START_TEST(torch_cpu_randn_below_16_uses_the_scalar_scheme_and_its_cache)
{
    const double want[] = {1.5409960747, -0.2934288979, -2.1787893772,
                           0.5684312582, -1.0845223665, -1.3985954523};
    float x[15];
    tt_torch_cpu g;
    tt_torch_cpu_seed(&g, 0);
    tt_torch_cpu_randn(&g, x, 15);
    expect_close(x, want, 6, 1e-9 * 100);
    tt_torch_cpu_seed(&g, 42);
    tt_torch_cpu_randn(&g, x, 3);
    expect_close(x, (const double[]){0.3366903663, 0.1288094074, 0.2344623655}, 3, 1e-7);
}
END_TEST

static void check_latent(uint64_t seed, const double last[4], double sum, double squares)
{
    static float x[16384];
    tt_torch_cpu g;
    tt_torch_cpu_seed(&g, seed);
    tt_torch_cpu_randn(&g, x, 16384);
    double s = 0, q = 0;
    for (size_t i = 0; i < 16384; i++) {
        s += (double)x[i];
        q += (double)x[i] * (double)x[i];
    }
    for (size_t i = 0; i < 4; i++)
        ck_assert_float_eq(x[16380 + i], (float)last[i]);
    ck_assert_double_eq_tol(s, sum, 1e-9); /* the same values in the same order */
    ck_assert_double_eq_tol(q, squares, 1e-7);
}

START_TEST(torch_cpu_draws_the_latents_of_seeds_0_and_42)
{
    check_latent(0, (const double[]){-1.04071403, 0.0907838792, -1.36646974, -1.07820797},
                 -124.11269989912398, 16522.110311606775);
    check_latent(42, (const double[]){-0.811143816, -0.635750473, 0.972809732, -0.293406099},
                 149.76480043913034, 16516.39987214705);
}
END_TEST

START_TEST(torch_cpu_integers_match)
{
    const uint64_t numbers[] = {44, 239, 933, 760, 963, 379}, order[] = {4, 1, 7, 5, 3, 9, 0, 8, 6, 2};
    uint64_t p[10];
    tt_torch_cpu g;
    tt_torch_cpu_seed(&g, 0);
    for (size_t i = 0; i < 6; i++)
        ck_assert_uint_eq(tt_torch_cpu_randint(&g, 1000), numbers[i]);
    tt_torch_cpu_seed(&g, 0);
    tt_torch_cpu_randperm(&g, p, 10);
    for (size_t i = 0; i < 10; i++)
        ck_assert_uint_eq(p[i], order[i]);
}
END_TEST

START_TEST(philox_gives_its_known_answers)
{
    uint32_t out[4];
    tt_philox4x32((const uint32_t[2]){0, 0}, (const uint32_t[4]){0, 0, 0, 0}, out);
    ck_assert_uint_eq(out[0], 0x6627e8d5u);
    ck_assert_uint_eq(out[3], 0x9b00dbd8u);
    const uint32_t ones = 0xffffffffu;
    tt_philox4x32((const uint32_t[2]){ones, ones}, (const uint32_t[4]){ones, ones, ones, ones}, out);
    ck_assert_uint_eq(out[0], 0x408f276du);
    ck_assert_uint_eq(out[3], 0x6d5451fdu);
}
END_TEST

START_TEST(torch_cuda_randn_matches_printed_outputs)
{
    float x[8];
    tt_torch_cuda g = {0, 0};
    tt_torch_cuda_randn(&g, 270336, x, 8);
    /* the device's own logarithm and sine: 1e-6 */
    expect_close(x,
                 (const double[]){-0.9246624, -0.42534393, -2.6438458, 0.14518386, -0.12086657, -0.57972574,
                                  -0.62285155, -0.32838705},
                 8, 2e-6);
    tt_torch_cuda_randn(&g, 270336, x, 4);
    expect_close(x, (const double[]){0.18082581, -0.55226266, 0.9238134, -0.7349703}, 4, 2e-6);
    g = (tt_torch_cuda){42, 0};
    tt_torch_cuda_randn(&g, 270336, x, 4);
    expect_close(x, (const double[]){0.19401887, 2.161374, -0.17205061, 0.84906006}, 4, 2e-6);
}
END_TEST

START_TEST(torch_cuda_randn_depends_on_the_card_beyond_one_launch)
{
    static float x[409600];
    const struct {
        uint64_t stride;
        double start[3], last[2];
    } cards[] = {
        {221184, {1.1534611, 1.3536191, 1.4155376}, {0.5989491, -0.3436402}},
        {270336, {1.6489247, 0.09659984, -0.83199954}, {1.5257137, 1.1296695}},
        {196608, {-0.7627922, -0.7797075, -1.9224205}, {-0.3841437, 0.48970428}},
    };
    for (size_t c = 0; c < 3; c++) {
        tt_torch_cuda g = {0, 0};
        tt_torch_cuda_randn(&g, cards[c].stride, x, 409600);
        expect_close(x + 229376, cards[c].start, 3, 2e-6);
        expect_close(x + 409598, cards[c].last, 2, 2e-6);
        ck_assert_uint_eq(g.offset, 4);
    }
}
END_TEST

/* ---- keyed streams; vectors printed by tools/telltale_noise.py ---- */

static tt_digest content(void)
{
    return tt_sha256_of("telltale", 8);
}

START_TEST(a_stream_is_a_function_of_its_key_and_place_alone)
{
    static float whole[5000], part[777];
    tt_digest d = content();
    tt_stream_key key = tt_noise_key(1, &d, "eps", 450, 0);
    tt_keyed_normals(&key, 0, whole, 5000);
    for (uint64_t first = 0; first < 4000; first += 333) {
        tt_keyed_normals(&key, first, part, 777);
        ck_assert_mem_eq(part, whole + first, sizeof part);
    }
}
END_TEST

START_TEST(every_part_of_the_key_matters)
{
    tt_digest d = content(), other = tt_sha256_of("tell", 4);
    tt_stream_key keys[] = {
        tt_noise_key(1, &d, "eps", 450, 0),     tt_noise_key(2, &d, "eps", 450, 0),
        tt_noise_key(1, &other, "eps", 450, 0), tt_noise_key(1, &d, "vae", 450, 0),
        tt_noise_key(1, &d, "eps", 45, 0),      tt_noise_key(1, &d, "eps", -1, 0),
        tt_noise_key(1, &d, "eps", 450, 1),
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_mem_ne(&keys[i], &keys[k], sizeof *keys);
}
END_TEST

START_TEST(the_python_twin_makes_the_same_bytes)
{
    static float x[16384];
    const struct {
        uint64_t seed;
        const char *role;
        int32_t timestep;
        uint32_t draw, first_key, first_bits;
        const char *sha256;
    } kept[] = {
        {1, "eps", 450, 0, 0x0a9b88fb, 0xbfc2099f,
         "261ffa2074c2332bf9053bf4142e44895bf37d3995b26f11d90ee51e9cd65636"},
        {1, "eps", 440, 0, 0xda3701da, 0xbf8c0965,
         "6fe4acf5b214ce3880216e3d6aadd2f7b714b22875b013570fe92add6f7a5dfc"},
        {1, "vae", -1, 0, 0x5c1b715f, 0x3eaa0fdd,
         "af8edaf8cbecaebe1d7e5a8268aa1a6e27d9eeff76c1df3e0ad4914797851d1f"},
        {UINT64_MAX, "eps.pfami", 0, 10, 0x7d0014d0, 0xbe9aa33f,
         "7ea2e6d104936fcdaa2f802318d3bc12c1308f40f082c6d4def23e54a7a2c574"},
    };
    tt_digest d = content();
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        tt_stream_key key = tt_noise_key(kept[i].seed, &d, kept[i].role, kept[i].timestep, kept[i].draw);
        ck_assert_uint_eq(key.key[0], kept[i].first_key);
        tt_keyed_normals(&key, 0, x, 16384);
        ck_assert_mem_eq(x, &kept[i].first_bits, sizeof *x);
        tt_digest got = tt_sha256_of(x, sizeof x);
        char hex[65];
        tt_digest_hex(&got, hex);
        ck_assert_str_eq(hex, kept[i].sha256);
    }
}
END_TEST

START_TEST(keyed_normals_are_normal)
{
    enum { N = 1 << 20 };
    static float x[N];
    tt_digest d = content();
    tt_stream_key key = tt_noise_key(7, &d, "eps", 450, 0);
    tt_keyed_normals(&key, 0, x, N);
    double m[5] = {0}, lag = 0;
    for (size_t i = 0; i < N; i++) {
        double v = (double)x[i], p = 1;
        for (int k = 1; k <= 4; k++)
            m[k] += (p *= v) / N;
        lag += i ? v * (double)x[i - 1] / N : 0;
    }
    /* five standard errors each */
    ck_assert_double_lt(fabs(m[1]), 5e-3);
    ck_assert_double_lt(fabs(m[2] - 1), 7e-3);
    ck_assert_double_lt(fabs(m[3]), 0.02);
    ck_assert_double_lt(fabs(m[4] - 3), 0.05);
    ck_assert_double_lt(fabs(lag), 5e-3);
}
END_TEST

START_TEST(bounded_draws_are_even_and_permutations_whole)
{
    tt_stream_key key = tt_purpose_key(3, "test", "below");
    uint64_t count[7] = {0}, p[100];
    bool seen[100] = {false};
    for (uint64_t i = 0; i < 70000; i++)
        count[tt_keyed_below(&key, i, 7)]++;
    for (size_t k = 0; k < 7; k++)
        ck_assert_msg(count[k] > 9500 && count[k] < 10500, "bin %zu holds %lu of 70000", k,
                      (unsigned long)count[k]);
    tt_keyed_permutation(&key, p, 100);
    for (size_t i = 0; i < 100; i++) {
        ck_assert_uint_lt(p[i], 100);
        ck_assert(!seen[p[i]]);
        seen[p[i]] = true;
    }
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("rng");
    TCase *tc = tcase_create("rng");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, torch_cpu_engine_gives_the_words_of_mt19937);
    tcase_add_test(tc, torch_cpu_uniforms_are_exact);
    tcase_add_test(tc, torch_cpu_randn_of_16_and_20_matches_bit_for_bit);
    tcase_add_test(tc, torch_cpu_randn_below_16_uses_the_scalar_scheme_and_its_cache);
    tcase_add_test(tc, torch_cpu_draws_the_latents_of_seeds_0_and_42);
    tcase_add_test(tc, torch_cpu_integers_match);
    tcase_add_test(tc, philox_gives_its_known_answers);
    tcase_add_test(tc, torch_cuda_randn_matches_printed_outputs);
    tcase_add_test(tc, torch_cuda_randn_depends_on_the_card_beyond_one_launch);
    tcase_add_test(tc, a_stream_is_a_function_of_its_key_and_place_alone);
    tcase_add_test(tc, every_part_of_the_key_matters);
    tcase_add_test(tc, the_python_twin_makes_the_same_bytes);
    tcase_add_test(tc, keyed_normals_are_normal);
    tcase_add_test(tc, bounded_draws_are_even_and_permutations_whole);
    suite_add_tcase(suite, tc);
    return suite;
}
