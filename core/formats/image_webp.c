/* WebP by libwebp; of an animation the first frame. */
#include "formats/image_internal.h"

#include "base/mem.h"

#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

static tt_status damaged(const tt_image_source *source, tt_error *err)
{
    return tt_fail(err, TT_ERR_FORMAT, "%s: damaged or truncated WebP: fetch it again, or leave it out",
                   source->name);
}

static tt_status decode_still(const tt_image_source *source, const uint8_t *data, size_t size, tt_raster *out,
                              tt_error *err)
{
    size_t stride = (size_t)out->width * out->channels, bytes = stride * out->height;
    uint8_t *got = out->channels == 4 ? WebPDecodeRGBAInto(data, size, out->bytes, bytes, (int)stride)
                                      : WebPDecodeRGBInto(data, size, out->bytes, bytes, (int)stride);
    if (got) return TT_OK;
    tt_free(out->bytes);
    out->bytes = NULL;
    return damaged(source, err);
}

/* The canvas after the first frame, RGBA. */
static tt_status decode_first_frame(const tt_image_source *source, tt_raster *out, tt_error *err)
{
    WebPData data = {source->data, source->size};
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, NULL);
    uint8_t *canvas = NULL;
    int timestamp;
    tt_status s =
        decoder && WebPAnimDecoderGetNext(decoder, &canvas, &timestamp) ? TT_OK : damaged(source, err);
    size_t pixels = (size_t)out->width * out->height;
    for (size_t i = 0; s == TT_OK && i < pixels; i++)
        memcpy(out->bytes + i * out->channels, canvas + 4 * i, out->channels);
    WebPAnimDecoderDelete(decoder);
    if (s) {
        tt_free(out->bytes);
        out->bytes = NULL;
    }
    return s;
}

static void read_orientation(const tt_image_source *source, tt_image_facts *facts)
{
    WebPData data = {source->data, source->size};
    WebPDemuxer *demuxer = WebPDemux(&data);
    WebPChunkIterator chunk;
    if (demuxer && WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
        facts->exif_orientation = tt_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    WebPDemuxDelete(demuxer);
}

tt_status tt_webp_decode(const tt_image_source *source, tt_raster *out, tt_image_facts *facts, tt_error *err)
{
    WebPBitstreamFeatures f;
    if (WebPGetFeatures(source->data, source->size, &f) != VP8_STATUS_OK || f.width <= 0 || f.height <= 0)
        return damaged(source, err);
    facts->format = "webp";
    facts->stored_width = (uint32_t)f.width;
    facts->stored_height = (uint32_t)f.height;
    facts->had_alpha = f.has_alpha;
    facts->channels = f.has_alpha ? 4 : 3;
    facts->was_animated = f.has_animation;
    tt_status s = tt_raster_alloc(source, (uint32_t)f.width, (uint32_t)f.height, out, err);
    if (s) return s;
    read_orientation(source, facts);
    return f.has_animation ? decode_first_frame(source, out, err)
                           : decode_still(source, source->data, source->size, out, err);
}
