/* Bad input as a person gives it to the program: each has its exit code, and a message that names the place
 * and says what to do. */
#include "formats/image.h"
#include "support/shell.h"

#include <string.h>
#include <zlib.h>

#define PROGRAM  TT_BUILD_DIR "/telltale"
#define EMBEDDED TT_SOURCE_DIR "/configs/models/embedded/target"
#define IMAGES   TT_SOURCE_DIR "/tests/golden/images"

static tt_error err;

/* Expects the exit code and that each part is in the output; a NULL ends them. */
static void expect(int code, int got, const char *what, const char *const parts[3])
{
    ck_assert_msg(got == code, "%s: exit code %d, not %d:\n%s", what, got, code, output);
    for (int i = 0; i < 3 && parts[i]; i++)
        ck_assert_msg(strstr(output, parts[i]), "%s: no '%s' in:\n%s", what, parts[i], output);
}

/* ---- specs ---- */

static const char spec[] = "version: 1\n"
                           "data:\n"
                           "  a: {plugin: imagefolder, path: img, splits: {seen: 3, held: 3}}\n"
                           "models:\n"
                           "  target: {plugin: sd15, path: model}\n"
                           "members: a.seen\n"
                           "nonmembers: a.held\n"
                           "threat_model: {access: grey-box, captions: known}\n"
                           "attacks:\n"
                           "  loss: {calibration: none}\n";

START_TEST(a_bad_spec_has_exit_code_2_and_is_told_with_line_and_column)
{
    static const struct {
        const char *from, *to, *parts[3];
    } cases[] = {
        {"members: a.seen", "mebmers: a.seen", {"s.yaml:6:1: ", "did you mean 'members'?"}},
        {"splits: {seen: 3", "splits: {seen: three", {"s.yaml:3:", "splits"}},
        {"{seen: 3, held: 3}", "[seen]", {"s.yaml:3:", "splits"}},
        {"version: 1",
         "version: 1\nbatch: 0",
         {"s.yaml:2:8: batch is 0: must be an integer between 1 and 4096"}},
        {"version: 1", "version: 1\nversion: 1", {"s.yaml:2:1: ", "key 'version' is there twice"}},
        {"members: a.seen", "members: [a", {"s.yaml:"}},
        {"version: 1",
         "x: &a [1,1,1,1,1,1,1,1,1]\ny: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
         "z: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nw: [*c,*c,*c,*c,*c,*c,*c,*c,*c]",
         {"s.yaml:", "alias"}},
        {"plugin: sd15", "plugin: sd16", {"s.yaml:5:", "sd15"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[4096];
        const char *at = strstr(spec, cases[i].from);
        ck_assert_ptr_nonnull(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - spec), spec, cases[i].to,
                 at + strlen(cases[i].from));
        write_text("s.yaml", text);
        expect(2, shell("'" PROGRAM "' validate s.yaml"), cases[i].to, cases[i].parts);
        expect(2, shell("'" PROGRAM "' run s.yaml --out out"), cases[i].to, cases[i].parts);
        ck_assert_msg(shell("test ! -e out/results.h5") == 0, "%s left results", cases[i].to);
    }
    static const char *const absent[3] = {"absent.yaml: cannot open"},
                             *const folder[3] = {"not a regular file"},
                             *const large[3] = {"large.yaml", "larger than the limit"};
    expect(2, shell("'" PROGRAM "' run absent.yaml"), "absent", absent);
    expect(2, shell("'" PROGRAM "' run ."), "a folder", folder);
    expect(2, shell("head -c 20971520 /dev/zero | tr '\\0' '#' > large.yaml; '" PROGRAM "' run large.yaml"),
           "20 MiB", large);
}
END_TEST

/* ---- images and captions ---- */

static void make_folder(void)
{
    ck_assert_int_eq(shell("rm -rf img out; mkdir -p img/seen img/held; ln -sfn '" EMBEDDED "' model"), 0);
    write_text("s.yaml", spec);
    unsigned char rgb[64 * 64 * 3];
    for (int i = 0; i < 6; i++) {
        char name[64];
        for (size_t k = 0; k < sizeof rgb; k++)
            rgb[k] = (unsigned char)(k * (size_t)(i + 3) >> 4);
        tt_pixels pixels = {.rgb = rgb, .width = 64, .height = 64};
        tt_ok(tt_image_write_png(path_of("img/%s/%d.png", i < 3 ? "seen" : "held", i % 3), &pixels, &err),
              &err);
        snprintf(name, sizeof name, "img/%s/%d.txt", i < 3 ? "seen" : "held", i % 3);
        write_text(name, "a portrait");
    }
}

/* A PNG that announces 50,000×50,000 pixels. */
static void write_huge(const char *name)
{
    unsigned char png[53] = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xc3\x50\0\0\xc3\x50\x08\x02\0\0\0";
    uint32_t crc = (uint32_t)crc32(0, png + 12, 17);
    for (int i = 0; i < 4; i++)
        png[29 + i] = (unsigned char)(crc >> (24 - 8 * i));
    memcpy(png + 33, "\0\0\4\0IDAT", 8); /* the header is taken for whole when the pixels begin */
    write_file(name, png, sizeof png);
}

START_TEST(an_image_that_cannot_be_read_is_named_and_stops_the_run)
{
    static const struct {
        const char *command, *parts[3];
    } cases[] = {
        {": > img/seen/0.png", {"img/seen/0.png: the file is empty", "leave it out"}},
        {"rm img/seen/0.png; cp '" IMAGES "/truncated.jpg' img/seen/0.jpg",
         {"img/seen/0.jpg: damaged or truncated JPEG", "leave it out"}},
        {"cp '" IMAGES "/truncated.png' img/seen/0.png",
         {"img/seen/0.png: damaged or truncated PNG", "leave it out"}},
        {"rm img/seen/0.png; cp '" IMAGES "/truncated.webp' img/seen/0.webp",
         {"img/seen/0.webp: damaged or truncated WebP", "leave it out"}},
        {"cp '" IMAGES "/deep.png' img/seen/0.png", {"img/seen/0.png: 16-bit PNG: convert it to 8 bits"}},
        {"cp huge.png img/seen/0.png", {"img/seen/0.png: image of 50000x50000 pixels", "reduce it first"}},
        {"cp s.yaml img/seen/0.png", {"img/seen/0.png: not a JPEG, PNG or WebP image", "convert it to PNG"}},
        {"rm img/seen/0.png; ln -s /nowhere.png img/seen/0.png",
         {"img/seen/0.png: cannot open: No such file"}},
        {"rm -r img", {"img: no such folder", "is `path` right?"}},
        {"rm img/seen/*.txt",
         {"3 of 6 images have no caption, first a.seen: seen/0.png", "attacks need one for each"}},
        {"printf ' \\n ' > img/seen/1.txt",
         {"1 of 6 images have no caption, first a.seen: seen/1.png", "give the attacks that can do without"}},
        {"printf 'caf\\351' > img/seen/1.txt",
         {"seen/1.png: its caption is not UTF-8", "convert it, e.g. with iconv"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_folder();
        write_huge("huge.png");
        ck_assert_int_eq(shell("%s", cases[i].command), 0);
        expect(2, shell("'" PROGRAM "' run s.yaml --out out"), cases[i].command, cases[i].parts);
        ck_assert_msg(shell("test ! -e out/results.h5") == 0, "%s left results", cases[i].command);
    }
}
END_TEST

/* the captions have two words */
START_TEST(attacks_that_cannot_run_are_refused_before_any_work)
{
    static const struct {
        const char *attack;
        int code;
        const char *parts[3];
    } cases[] = {
        {"clid: {calibration: none, reduction: importance}",
         2,
         {"s.yaml:10:", "needs captions of at least 3 words, and 6 of 6 have fewer", "describe clid"}},
        {"clid: {calibration: none, clip_by: words}", 2, {"at least 3 words"}},
        {"clid: {calibration: none, reduction: importance, importance: service, rates: [0.5]}",
         2,
         {"asks the service word_importance", "add services.word_importance"}},
        {"clid: {calibration: none, reduction: importance, importance: target_maps, rates: [0.5]}",
         3,
         {"needs attention, which threat_model.access does not grant"}},
        {"clid: {calibration: none, t_mid: 999}", 2, {"leave 0 to 999"}},
        {"loss: {calibration: none, timesteps: [1000]}", 2, {"timesteps", "999"}},
        {"secmi: {calibration: none, mode: nn}", 2, {"has to be trained", "map_elements stores the maps"}},
        {"pfami: {calibration: none, mode: nn}", 2, {"has to be trained", "map: true stores the whole map"}},
        {"secmi: {calibration: none, t_cmp: 105}", 2, {"must be a multiple of k"}},
    };
    make_folder();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[4096];
        size_t head = (size_t)(strstr(spec, "  loss:") - spec);
        snprintf(text, sizeof text, "%.*s  %s\n", (int)head, spec, cases[i].attack);
        write_text("s.yaml", text);
        expect(cases[i].code, shell("'" PROGRAM "' run s.yaml --out out"), cases[i].attack, cases[i].parts);
        ck_assert_msg(shell("test ! -e out/results.h5") == 0, "%s left results", cases[i].attack);
        int planned = shell("'" PROGRAM "' plan s.yaml --out out");
        expect(cases[i].code, planned, "plan", cases[i].parts);
    }
    static const char *const later[3] = {"refused until networks can be trained here", "stores the map"};
    expect(0, shell("'" PROGRAM "' describe secmi"), "describe secmi", later);
    expect(0, shell("'" PROGRAM "' describe pfami"), "describe pfami", later);
}
END_TEST

START_TEST(unusual_images_and_long_captions_go_through)
{
    make_folder();
    ck_assert_int_eq(
        shell("cd img/seen && rm *.png && cp '" IMAGES "/cmyk.jpg' 0.jpg && cp '" IMAGES
              "/grey-alpha.png' 1.png && cp '" IMAGES
              "/orientation-6.jpg' 2.jpg && cd ../held && rm 0.png && cp '" IMAGES
              "/animated.webp' 0.webp && i=0; while [ $i -lt 10000 ]; do echo word; i=$((i + 1)); "
              "done | tr '\\n' ' ' > 1.txt"),
        0);
    static const char *const parts[3] = {"3 members, 3 non-members"};
    expect(0, shell("'" PROGRAM "' run s.yaml --out out"), "unusual images", parts);
}
END_TEST

/* ---- checkpoints ---- */

START_TEST(a_damaged_checkpoint_fails_its_steps_by_name)
{
    static const struct {
        const char *command;
        int code;
        const char *parts[3];
    } cases[] = {
        {"truncate -s 100000 \"$W\"",
         1,
         {"model/unet/diffusion_pytorch_model.safetensors", "cut short", "again"}},
        {": > \"$W\"", 1, {"model/unet/diffusion_pytorch_model.safetensors: 0 bytes", "again"}},
        {"printf '\\377\\377' | dd of=\"$W\" bs=1 seek=4 conv=notrunc 2>/dev/null",
         1,
         {"model/unet/diffusion_pytorch_model.safetensors: a header of", "again"}},
        {"rm \"$W\"", 2, {"model/unet: no weights: expected diffusion_pytorch_model.safetensors"}},
        {"rm \"$W\"; cp '" TT_SOURCE_DIR
         "/tests/golden/torch/evil.pth' model/unet/diffusion_pytorch_model.bin",
         1,
         {"model/unet/diffusion_pytorch_model.bin: the file wants posix.system",
          "save the state dict alone"}},
        {"cp model/vae/diffusion_pytorch_model.safetensors \"$W\"", 1, {"no tensor", "unet"}},
        {"sed -i s/UNet2DConditionModel/FluxTransformer2DModel/ model/unet/config.json",
         1,
         {"model/unet/config.json:2:", "FluxTransformer2DModel", "UNet2DConditionModel is expected"}},
        {"echo '{' > model/unet/config.json", 1, {"model/unet/config.json:2:1: "}},
        {"rm model/unet/config.json", 2, {"model/unet: no config.json", "is expected"}},
        {"rm -r model/tokenizer", 2, {"model: no tokenizer/", "copy the one"}},
        {"rm -r model/scheduler", 2, {"scheduler_config.json", "copy the one"}},
        {"rm -r model", 2, {"model: no such model", "is the path right?"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_folder();
        ck_assert_int_eq(shell("rm -rf model; cp -r '" EMBEDDED
                               "' model; W=model/unet/diffusion_pytorch_model.safetensors; %s",
                               cases[i].command),
                         0);
        expect(cases[i].code, shell("'" PROGRAM "' run s.yaml --out out"), cases[i].command, cases[i].parts);
    }
}
END_TEST

/* ---- where results go ---- */

START_TEST(a_place_that_cannot_be_written_is_named)
{
    make_folder();
    write_text("taken", "");
    static const char *const taken[3] = {"taken", "annot create the folder"}, *const device[3] = {
                                                                                  "/dev/full"};
    int code = shell("'" PROGRAM "' run s.yaml --out taken/out");
    expect(code == 2 ? 2 : 1, code, "--out below a file", taken);
    code = shell("'" PROGRAM "' generate model --prompt x --steps 1 --out /dev/full/x.png");
    expect(code == 2 ? 2 : 1, code, "generate", device);
}
END_TEST

Suite *tt_test_suite(void)
{
    Suite *suite = suite_create("bad_input");
    TCase *tc = tcase_create("bad_input");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, a_bad_spec_has_exit_code_2_and_is_told_with_line_and_column);
    tcase_add_test(tc, an_image_that_cannot_be_read_is_named_and_stops_the_run);
    tcase_add_test(tc, attacks_that_cannot_run_are_refused_before_any_work);
    tcase_add_test(tc, unusual_images_and_long_captions_go_through);
    tcase_add_test(tc, a_damaged_checkpoint_fails_its_steps_by_name);
    tcase_add_test(tc, a_place_that_cannot_be_written_is_named);
    suite_add_tcase(suite, tc);
    return suite;
}
